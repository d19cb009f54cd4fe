//! The signals that are passed on to the command.

use std::future::poll_fn;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;

/// What people and supervisors send to a program, and what a terminal does. Not the signals of job control (TSTP,
/// TTIN, TTOU, CONT): both processes are in one group, and stopping and going on is right for both.
const FORWARDED: [Signal; 7] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// Whether a signal means that the program should end. (The action of USR1 and USR2 would be that too, but who
/// sends them means the command.)
fn ends(signal: Signal) -> bool {
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].contains(&signal)
}

/// Hears every forwarded signal; none has its own action any more.
#[derive(Debug)]
pub(super) struct Signals {
    streams: Vec<(Signal, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// From now on.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(super) fn listen() -> Result<Self, Failure> {
        let streams = FORWARDED
            .into_iter()
            .map(|number| Ok((number, signal(SignalKind::from_raw(number.as_raw()))?)))
            .collect::<std::io::Result<_>>()
            .map_err(Failure::system("signals cannot be listened to"))?;
        Ok(Self { streams })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (number, stream) in &mut self.streams {
                if let Poll::Ready(Some(())) = stream.poll_recv(context) {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The next signal that means to end; others have nobody to go to.
    pub(super) async fn ending(&mut self) -> Signal {
        loop {
            let signal = self.next().await;
            if ends(signal) {
                return signal;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn every_signal_is_heard_and_only_some_mean_the_end() {
        let mut signals = Signals::listen().unwrap();
        for signal in FORWARDED {
            kill_process(getpid(), signal).unwrap();
            assert_eq!(signals.next().await, signal);
        }
        kill_process(getpid(), Signal::USR1).unwrap();
        kill_process(getpid(), Signal::WINCH).unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        assert_eq!(signals.ending().await, Signal::HUP);
    }
}
