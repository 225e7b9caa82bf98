// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls through the GHCB page as rows describe them, and requests of the MSR protocol by name.
#pragma once

#include "examiner/call.h"
#include "examiner/judge.h"
#include "examiner/vmgexit.h"

namespace vestibule::examiner {

/// Fills the page's fields (the shared buffer is the caller's), calls, and copies the answer out.
/// The valid bits are withdrawn behind it.
Answer perform(const Call& call);

/// Whether some answer so far had bits in SW_EXITINFO1[63:32], which mean nothing.
bool saw_upper_info_1();

/// The protocol's version of all calls that do not say another.
void set_version(u16 version);
u16 version();

/// Bytes of the shared buffer, by their offset in it.
u8 buffer_byte(u64 offset);
void set_buffer_byte(u64 offset, u8 value);
void fill_buffer(u8 value);

/// Whether every byte of the buffer but those in [begin, end) is `value`.
bool buffer_is_but(u8 value, u64 begin, u64 end);

/// 8 bytes at an offset that is a multiple of 8.
u64 buffer_word(u64 offset);
void set_buffer_word(u64 offset, u64 value);

/// Requests of the MSR protocol (section 2.3.1), by GHCBInfo.
namespace msr {
inline constexpr u64 info_mask      = 0xFFF;
inline constexpr u64 sev_info       = 0x002;
inline constexpr u64 cpuid          = 0x004;
inline constexpr u64 reset_hold     = 0x006;
inline constexpr u64 preferred_gpa  = 0x010;
inline constexpr u64 register_gpa   = 0x012;
inline constexpr u64 page_state     = 0x014;
inline constexpr u64 run_vmpl       = 0x016;
inline constexpr u64 features       = 0x080;
inline constexpr u64 terminate      = 0x100;
inline constexpr u64 sev_info_reply = 0x001;

/// The answer's code to all other requests that have an answer.
constexpr u64 reply_to(u64 request) {
    return request == sev_info ? sev_info_reply : (request & info_mask) | 1;
}

constexpr u64 cpuid_request(u32 leaf, unsigned register_number) {
    return u64{leaf} << 32 | u64{register_number} << 30 | cpuid;
}
} // namespace msr

} // namespace vestibule::examiner
