//! Which signals the command already got from the terminal.
//!
//! The command stays in this process's group, so that it may read from the terminal and job control works. The
//! terminal sends INT, QUIT and WINCH to its whole foreground group: passed on, they would arrive twice, and many
//! programs take a second INT for "at once". Who sent a signal cannot be told from here; so while this process is
//! in the foreground, those three count as the terminal's. (`kill -INT` to it alone, from elsewhere, then does not
//! reach the command: `kill -TERM` does.)

use std::fs::OpenOptions;

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;

/// Whether the terminal sends this signal to the command too.
pub(super) fn sends(signal: Signal) -> bool {
    [Signal::INT, Signal::QUIT, Signal::WINCH].contains(&signal) && in_foreground()
}

fn in_foreground() -> bool {
    // Opening fails where this process has no terminal.
    let Ok(terminal) = OpenOptions::new().read(true).open("/dev/tty") else {
        return false;
    };
    tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_terminal_sends_is_always_passed_on() {
        for signal in [Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2] {
            assert!(!sends(signal));
        }
    }
}
