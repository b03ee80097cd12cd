//! One file per verb, each a readable checklist.
