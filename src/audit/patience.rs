//! One page of a listing, asked for again when that may help.

use std::time::Duration;

use crate::origin::{Cursor, OriginError, Survey, SurveyPage, Waited};

/// The page behind `after`.
pub(super) async fn page(survey: &dyn Survey, prefix: &str, after: Option<&Cursor>) -> Result<SurveyPage, OriginError> {
    let mut failures = 0;
    loop {
        let asked = tokio::time::timeout(PAGE_MAX, survey.page(prefix, after)).await;
        match asked.unwrap_or(Err(OriginError::Timeout(Waited::FirstByte(PAGE_MAX)))) {
            Err(error) if error.is_transient() && failures < RETRIES => {
                tokio::time::sleep(PAUSE * 2_u32.pow(failures)).await;
                failures += 1;
            }
            Ok(page) if page.next.is_some() && page.next.as_ref() == after => {
                return Err(OriginError::Failed("its list goes in a circle".into()));
            }
            settled => return settled,
        }
    }
}

/// How long one page may take.
const PAGE_MAX: Duration = Duration::from_secs(60);
/// How often one page is asked for again.
const RETRIES: u32 = 4;
/// The first wait before asking again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
