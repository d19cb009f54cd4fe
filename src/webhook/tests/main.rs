//! The webhook as its callers see it: a real server over TLS, and the command line.

#[cfg(test)]
mod explain;
#[cfg(test)]
mod serve;
