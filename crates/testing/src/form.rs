//! Forms with files (`multipart/form-data`), as bytes: a library would not write those that a server must refuse.

/// What separates the parts. No file of a test has it.
const BOUNDARY: &str = "a-boundary-of-a-test";

/// The content type of every form from here.
pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=a-boundary-of-a-test";

/// Writes a form with one file.
pub fn form(name: &str, contents: &[u8]) -> Vec<u8> {
    [begin("file", name).as_slice(), contents, &end()].concat()
}

/// Writes a form up to where the contents of its file begin.
pub fn begin(field: &str, name: &str) -> Vec<u8> {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\r\n"
    )
    .into_bytes()
}

/// Writes what is behind the contents.
pub fn end() -> Vec<u8> {
    format!("\r\n--{BOUNDARY}--\r\n").into_bytes()
}

/// Writes a form with a name and a file.
pub fn named(name: &str, file_name: &str, contents: &[u8]) -> Vec<u8> {
    [text("name", name).as_slice(), &begin("file", file_name), contents, &end()].concat()
}

/// Writes a field of text, up to where the next part begins.
pub fn text(field: &str, value: &str) -> Vec<u8> {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n")
        .into_bytes()
}
