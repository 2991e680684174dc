//! How a delivery is signed: the published form, HMAC-SHA256 over `v0:{timestamp}:{body}`.

use ring::hmac;

/// Signs a body, and returns the value of `Anchor-Signature`: the moment in seconds since 1970, and a signature by each secret. A
/// receiver has to know one of them.
pub fn signature(seconds: i64, body: &[u8], secrets: &[impl AsRef<[u8]>]) -> String {
    let mut text = format!("t={seconds}");
    for secret in secrets {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()));
        context.update(format!("v0:{seconds}:").as_bytes());
        context.update(body);
        text.push_str(",v1=");
        for byte in context.sign().as_ref() {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf 'v0:1716544084:{"a":1}' | openssl dgst -sha256 -hmac SECRET`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let signed = signature(1_716_544_084, b"{\"a\":1}", &["SECRET", "OLD"]);
        let (new, old) = (
            "357fe0754105a04a15a4d3a1df782c47cb02dcec690e90477678999301d12500",
            "7bcb70574a8125a6b8c7c6309ff1a3f355e4429587e72c146adc2c7e2db685dc",
        );
        assert_eq!(signed, format!("t=1716544084,v1={new},v1={old}"));
    }
}
