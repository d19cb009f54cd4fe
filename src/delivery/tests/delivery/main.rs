//! Files into volumes, as whoever reads or attacks them sees it.

#[cfg(test)]
mod common;
#[cfg(test)]
mod full;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod hostile;
