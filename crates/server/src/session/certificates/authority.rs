//! What is taken as the certificate of an authority.

use jiff::Timestamp;
use x509_parser::prelude::{FromDer as _, Pem, X509Certificate};

use crate::error::{Error, Result};

const PEM_BEGINS: &str = "-----BEGIN ";
const PEM_LABEL: &str = "CERTIFICATE";
/// RFC 5280 allows 20; some authorities are older than it.
const MAX_SERIAL_BYTES: usize = 64;

/// A certificate with which others may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The whole certificate, as DER.
    pub der: Vec<u8>,
    /// Its issuer's name, as DER.
    pub issuer: Vec<u8>,
    /// Its own name, as DER.
    pub subject: Vec<u8>,
    /// Its serial number, as DER.
    pub serial: Vec<u8>,
}

impl Authority {
    /// Reads a file: PEM with one certificate in it, or DER.
    ///
    /// Errors: [`Error::InvalidRequest`] for what is no certificate, not an authority's, or expired.
    pub fn read(file: &[u8], now: Timestamp) -> Result<Self> {
        let is_pem = file.windows(PEM_BEGINS.len()).any(|place| place == PEM_BEGINS.as_bytes());
        let der = if is_pem { read_pem(file)? } else { file.to_vec() };
        let this = Self::from_der(&der)?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| no_certificate())?;
        if certificate.validity().not_after.timestamp() < now.as_second() {
            return Err(refused("it has expired"));
        }
        Ok(this)
    }

    /// Reads one that was taken before, whatever the time is by now.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let Ok(([], certificate)) = X509Certificate::from_der(der) else {
            return Err(no_certificate());
        };
        let may = certificate.key_usage().map_err(|_| no_certificate())?;
        if !certificate.is_ca() || may.is_some_and(|may| !may.value.key_cert_sign()) {
            return Err(refused(
                "it is not an authority's: nothing may be signed with it. Upload that of the authority that signed it",
            ));
        }
        let serial = certificate.raw_serial();
        if serial.len() > MAX_SERIAL_BYTES {
            return Err(refused("its serial number is too long"));
        }
        Ok(Self {
            der: der.to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            serial: integer(serial),
        })
    }
}

fn read_pem(file: &[u8]) -> Result<Vec<u8>> {
    let mut blocks = Pem::iter_from_buffer(file);
    let (Some(Ok(block)), None) = (blocks.next(), blocks.next()) else {
        return Err(refused(
            "it must be one whole PEM block; upload each certificate under a name of its own",
        ));
    };
    if block.label != PEM_LABEL {
        return Err(refused("its PEM block is no CERTIFICATE; never upload a private key"));
    }
    Ok(block.contents)
}

/// Puts the bytes of an integer, fewer than 128, into their DER form.
fn integer(bytes: &[u8]) -> Vec<u8> {
    const INTEGER: u8 = 2;
    let length = u8::try_from(bytes.len()).expect("a serial number is short");
    [&[INTEGER, length], bytes].concat()
}

fn no_certificate() -> Error {
    refused("it is no X.509 certificate, neither as PEM nor as DER")
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::InvalidRequest(format!("The certificate is refused: {why}."))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};

    use super::*;
    use crate::clock;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["x.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: String =
            text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
        format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
    }

    #[test]
    fn both_forms_are_read_alike() {
        let made = certificate(|_| {});
        let der = Authority::read(made.der(), clock::now()).unwrap();
        assert_eq!(der, Authority::read(pem("CERTIFICATE", made.der()).as_bytes(), clock::now()).unwrap());
        assert_eq!(der.issuer, der.subject);
        // Both are parts of the certificate as they are.
        for part in [&der.issuer, &der.serial] {
            assert!(der.der.windows(part.len()).any(|place| place == part));
        }
    }

    #[test]
    fn what_nothing_may_be_signed_with_is_refused() {
        let leaf = certificate(|params| params.is_ca = IsCa::ExplicitNoCa);
        let silent = certificate(|params| params.is_ca = IsCa::NoCa);
        let idle = certificate(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
        let old = certificate(|params| params.not_after = date_time_ymd(2001, 1, 1));
        let (one, two) = (certificate(|_| {}), certificate(|_| {}));
        let key = pem("PRIVATE KEY", &KeyPair::generate().unwrap().serialize_der());
        let cases = [
            (leaf.der().to_vec(), "it is not an authority's"),
            (silent.der().to_vec(), "it is not an authority's"),
            (idle.der().to_vec(), "it is not an authority's"),
            (old.der().to_vec(), "it has expired"),
            (
                [pem("CERTIFICATE", one.der()), pem("CERTIFICATE", two.der())].concat().into_bytes(),
                "it must be one whole PEM block",
            ),
            (pem("CERTIFICATE", one.der()).as_bytes()[..200].to_vec(), "it must be one whole PEM block"),
            (key.into_bytes(), "its PEM block is no CERTIFICATE"),
            ([one.der(), &b"x"[..]].concat(), "it is no X.509 certificate"),
            (Vec::new(), "it is no X.509 certificate"),
        ];
        for (file, why) in cases {
            let message = Authority::read(&file, clock::now()).unwrap_err().to_string();
            assert!(message.starts_with(&format!("The certificate is refused: {why}")), "{why}: {message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_authority_or_an_error(file: Vec<u8>) {
            drop(Authority::read(&file, clock::now()));
        }
    }
}
