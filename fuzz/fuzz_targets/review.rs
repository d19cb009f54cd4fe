//! The body of a request.

#![no_main]

use esi_webhook::admission::{Answer, BadReview, Denial, Review, Subject, response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| match Review::read(body) {
    Ok(Review { uid, subject }) => {
        response(&uid, &Answer::Untouched("x")).unwrap();
        if let Subject::Pod { pod, .. } = subject {
            esi_fuzz::check(&pod.to_tree());
        }
    }
    Err(BadReview::Request { uid, problem }) => {
        let denial = Denial {
            code: 400,
            reason: "malformed",
            message: problem,
        };
        response(&uid, &Answer::Denied(denial)).unwrap();
    }
    Err(error) => assert!(!error.to_string().is_empty()),
});
