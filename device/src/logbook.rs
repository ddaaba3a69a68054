//! How far each log was followed, and the labels seen in it.
