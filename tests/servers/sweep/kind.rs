//! What befalls a request.

use crate::s3::server::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It and all that follow fail.
    Denied,
    /// The store asks to slow down, once.
    Busy,
    /// And does not stop to.
    BusyOn,
    /// No answer comes.
    Silent,
    /// The answer's body ends half-way.
    Cut,
    /// It is done, and the answer is lost.
    Lost,
    /// And so is the access to the store: nobody can look whether it was done.
    LostAndGone,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Denied, Kind::Busy, Kind::BusyOn, Kind::Silent, Kind::Cut, Kind::Lost, Kind::LostAndGone];

    /// What the request meets, and what the later ones meet.
    pub fn faults(self) -> (Fault, Option<Fault>) {
        let denied = Fault::Refuse(403, "AccessDenied");
        let busy = Fault::Refuse(503, "SlowDown");
        match self {
            Kind::Denied => (denied, Some(denied)),
            Kind::Busy => (busy, None),
            Kind::BusyOn => (busy, Some(busy)),
            Kind::Silent => (Fault::Silent, None),
            Kind::Cut => (Fault::BodyCut, None),
            Kind::Lost => (Fault::AnswerLost, None),
            Kind::LostAndGone => (Fault::AnswerLost, Some(denied)),
        }
    }

    /// Asked again the store does as it should, so the run must end well.
    pub fn passes(self) -> bool {
        self.faults().1.is_none()
    }
}
