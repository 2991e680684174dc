//! One Chromium: find the binary, launch, supervise, end.
