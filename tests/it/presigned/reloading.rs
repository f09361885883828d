//! A real process with presigned links: clients that come and go while it runs, and what it never says of them.
