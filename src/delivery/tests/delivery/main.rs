//! Files into volumes, as whoever reads or attacks them sees it.

#[cfg(feature = "act-as")]
#[cfg(test)]
mod act_as;
#[cfg(test)]
mod common;
#[cfg(test)]
mod full;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod hostile;
