// SPDX-License-Identifier: BSD-2-Clause-Patent
// See conversation.h.
#include "examiner/conversation.h"

namespace vestibule::examiner {

namespace {

constinit bool upper_info_1 = false;
constinit u16 negotiated    = 1;

/// Nothing of an earlier call may pass for this one's.
void clear_fields(volatile ghcb::Page& page) {
    auto* const words = reinterpret_cast<volatile u64*>(&page);
    for (u64 n = 0; n < buffer_begin / sizeof(u64); ++n) {
        words[n] = 0;
    }
}

Answer read_answer(const volatile ghcb::Page& page) {
    return {
        .info_1 = page.sw_exitinfo1,
        .info_2 = page.sw_exitinfo2,
        .valid  = {page.valid_bitmap[0], page.valid_bitmap[1]},
        .rax    = page.rax,
        .rbx    = page.rbx,
        .rcx    = page.rcx,
        .rdx    = page.rdx
    };
}

} // namespace

Answer perform(const Call& call) {
    volatile ghcb::Page& page = examiner::page();
    clear_fields(page);
    page.sw_exitcode      = call.code;
    page.sw_exitinfo1     = call.info_1;
    page.sw_exitinfo2     = call.info_2;
    page.rax              = call.rax;
    page.rcx              = call.rcx;
    page.rdx              = call.rdx;
    page.rbx              = call.rbx;
    page.cpl              = call.cpl;
    page.xcr0             = call.xcr0;
    page.xss              = call.xss;
    page.sw_scratch       = call.is_outside ? call.scratch : page_gpa() + call.scratch;
    page.valid_bitmap[0]  = call.valid.low;
    page.valid_bitmap[1]  = call.valid.high;
    page.protocol_version = call.version == Call::negotiated ? negotiated : call.version;
    page.ghcb_usage       = call.usage;
    call_by_page();
    const Answer answer  = read_answer(page);
    page.valid_bitmap[0] = 0;
    page.valid_bitmap[1] = 0;
    upper_info_1         = upper_info_1 || high_half(answer.info_1) != 0;
    return answer;
}

bool saw_upper_info_1() { return upper_info_1; }

void set_version(u16 version) { negotiated = version; }

u16 version() { return negotiated; }

u8 buffer_byte(u64 offset) { return page().shared_buffer[offset]; }

void set_buffer_byte(u64 offset, u8 value) { page().shared_buffer[offset] = value; }

void fill_buffer(u8 value) {
    for (u64 n = 0; n < buffer_size; ++n) {
        set_buffer_byte(n, value);
    }
}

bool buffer_is_but(u8 value, u64 begin, u64 end) {
    for (u64 n = 0; n < buffer_size; ++n) {
        if ((n < begin || n >= end) && buffer_byte(n) != value) {
            return false;
        }
    }
    return true;
}

u64 buffer_word(u64 offset) {
    return *reinterpret_cast<volatile u64*>(&page().shared_buffer[offset]);
}

void set_buffer_word(u64 offset, u64 value) {
    *reinterpret_cast<volatile u64*>(&page().shared_buffer[offset]) = value;
}

Verdict run(const MsrCase& row) {
    return equal("the GHCB MSR, as far as it is defined", exchange(row.request) & row.mask,
                 row.wanted);
}

/// No element of an earlier case goes to a port.
Verdict run(const CallCase& row) {
    fill_buffer(0);
    return judge(perform(row.call), row.wanted);
}

} // namespace vestibule::examiner
