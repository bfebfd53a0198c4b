//! getsockopt(2) for options that are tables of the kernel.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Reads an option into a buffer, whose content is the question. The number of bytes that the
/// kernel says it has written, which is no more than the buffer's length.
#[allow(unsafe_code, reason = "rustix has no such call for options that it does not know")]
pub(crate) fn get(
    socket: BorrowedFd<'_>,
    level: i32,
    option: i32,
    buffer: &mut [u8],
) -> Result<usize, Errno> {
    let room = libc::socklen_t::try_from(buffer.len()).map_err(|_| Errno::INVAL)?;
    let mut length = room;
    // SAFETY: `buffer` and `length` live until the call returns, and the kernel writes no more than
    // `length` bytes.
    let result = unsafe {
        let value = buffer.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), level, option, value, &raw mut length)
    };
    if result != 0 {
        return Err(std::io::Error::last_os_error()
            .raw_os_error()
            .map_or(Errno::IO, Errno::from_raw_os_error));
    }
    Ok(usize::try_from(length.min(room)).unwrap_or_default())
}
