//! Floor: a function of lambda_http that answers fixed bytes.
use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(|_: Request| async { Ok::<_, Error>(Response::new(Body::from("{\"status\":\"healthy\"}"))) })).await
}
