//! Request smuggling: one corpus of requests whose end can be read in two ways, sent to Hallpass directly and through real front
//! proxies. However it is read, it is read in one way: nobody ever gets the answer to what somebody else sent.

mod behind;
mod corpus;
mod direct;
mod downgraded;
mod fronts;
mod measure;
