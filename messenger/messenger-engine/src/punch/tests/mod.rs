mod bounds;
mod format;
mod network;
mod paths;
