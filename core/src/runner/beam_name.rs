//! Names that Beam makes of others, as they were given.

/// The namespace of what Beam itself measures.
pub(super) const NAMESPACE: &str = "beam";

/// The name within an id like `ref_AppliedPTransform_Extract_8`, which Python gives and Prism repeats.
pub(super) fn transform(id: &str) -> &str {
    let Some(rest) = id.strip_prefix("ref_AppliedPTransform_") else { return id };
    match rest.rsplit_once('_') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => rest,
    }
}

/// The name within the URN of what Beam measures, with or without the namespace before it.
pub(super) fn metric(urn: &str) -> &str {
    urn.trim_start_matches("beam:").trim_start_matches("metric:").trim_end_matches(":v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_has_the_name_it_was_given() {
        for (id, name) in [
            ("ref_AppliedPTransform_Extract_8", "Extract"),
            ("ref_AppliedPTransform_Write-Write-WriteImpl_12", "Write-Write-WriteImpl"),
            ("Extract", "Extract"),
            ("e3", "e3"),
        ] {
            assert_eq!(transform(id), name);
        }
    }

    #[test]
    fn what_beam_measures_has_a_short_name() {
        for urn in ["beam:metric:element_count:v1", "metric:element_count:v1"] {
            assert_eq!(metric(urn), "element_count");
        }
    }
}
