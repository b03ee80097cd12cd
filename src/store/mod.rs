//! Object stores: one small interface, split by role.
