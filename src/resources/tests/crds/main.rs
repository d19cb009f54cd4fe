//! The custom resource definitions: that they are written down, that the API server can take them, and that they
//! say of an object what its reader says.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod agreement;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod structural;
#[cfg(test)]
mod support;
