//! Questions that are asked all at once, and whose answers are not waited for longer than agreed.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// One question: it may take as long as a store that does not answer.
pub type Question<T> = Box<dyn FnOnce() -> T + Send>;

/// The answers in the order of the questions, `None` where one took longer. A thread that is still asking is left to
/// itself; this is for commands that end then.
pub fn ask<T: Send + 'static>(questions: Vec<Question<T>>, wait: Duration) -> Vec<Option<T>> {
    let until = Instant::now() + wait;
    let mut answers: Vec<Option<T>> = questions.iter().map(|_| None).collect();
    let (sender, receiver) = mpsc::channel();
    for (number, question) in questions.into_iter().enumerate() {
        let sender = sender.clone();
        // Whoever waits may have gone.
        std::thread::spawn(move || drop(sender.send((number, question()))));
    }
    drop(sender);
    while let Ok((number, answer)) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        answers[number] = Some(answer);
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_left_out() {
        let (held, release) = mpsc::channel::<()>();
        let questions: Vec<Question<u32>> = vec![
            Box::new(|| 1),
            Box::new(move || {
                let _ = release.recv();
                2
            }),
            Box::new(|| 3),
        ];
        assert_eq!(ask(questions, Duration::from_millis(300)), [Some(1), None, Some(3)]);
        drop(held);
    }

    #[test]
    fn nothing_is_waited_for_once_all_is_answered() {
        let questions: Vec<Question<u32>> = vec![Box::new(|| 1), Box::new(|| panic!("a question that fails"))];
        let begun = Instant::now();
        assert_eq!(ask(questions, Duration::from_secs(3600)), [Some(1), None]);
        assert!(begun.elapsed() < Duration::from_secs(3600));
    }
}
