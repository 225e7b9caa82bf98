// SPDX-License-Identifier: BSD-2-Clause-Patent
// SNP guest request (GHCB specification, exits 0x80000011 and 0x80000012): the hypervisor carries a
// message to the secure processor and its answer back. The extended request also asks for the
// certificates by which a report is checked.
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_lies.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/guest_message.h"
#include "sevsim/monitor/secure_processor/launch.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

// SW_EXITINFO2 of an answer: the firmware's status in the lower half, this in the upper one.
constexpr u64 invalid_length = u64{1} << 32; // RBX says how many pages are needed
constexpr u64 busy           = u64{2} << 32; // the same message may come again

bool is_shared_page(u64 gpa) {
    return gpa % page_size == 0 && is_guest_memory(gpa) && is_shared(gpa);
}

/// What is wrong with the two pages of the call, in words; nullptr where nothing is.
const char* page_fault_of(const GhcbView& ghcb) {
    const u64 request  = ghcb.get(field::exit_info_1);
    const u64 response = ghcb.get(field::exit_info_2);
    if (request == response || !is_shared_page(request) || !is_shared_page(response)) {
        return "guest request: its pages are not two shared ones";
    }
    return nullptr;
}

/// A guest's first message and its answer, for the lies about the second; and the last message that
/// the firmware has taken.
struct Kept {
    u64 messages; // that the guest has sent
    u8 request[page_size];
    u8 response[page_size];
    u8 taken[page_size];
};

constinit Kept kept{};

bool lies_now(const Vcpu& vcpu, Lie lie) { return kept.messages == 2 && tells(vcpu.options, lie); }

/// Whether the firmware is given what it has had before by no fault of the guest's: another message
/// than the guest has sent, or, byte for byte, the one whose answer a hypervisor that lies may have
/// kept.
bool lie_about_request(const Vcpu& vcpu, u8* request) {
    ++kept.messages;
    if (kept.messages == 1) {
        memcpy(kept.request, request, page_size);
    } else if (lies_now(vcpu, Lie::request_again)) {
        memcpy(request, kept.request, page_size);
        return true;
    }
    return !vcpu.options.hostile.is_honest() && memcmp(request, kept.taken, page_size) == 0;
}

void lie_about_answer(const Vcpu& vcpu, u8* response) {
    if (const Hostility* const lie = told_now(vcpu.options, Lie::message_flip)) {
        flip(response, lie->code);
    }
    constexpr unsigned somewhere = 0x100; // in the encrypted part
    const bool is_first          = kept.messages == 1;
    if (tells(vcpu.options, Lie::answers_spoilt)
        || (!is_first && lies_now(vcpu, Lie::answer_spoilt))) {
        response[somewhere] ^= 0x10;
    } else if (is_first) {
        memcpy(kept.response, response, page_size);
    } else if (lies_now(vcpu, Lie::answer_again)) {
        memcpy(response, kept.response, page_size);
    }
}

Answer carry(const Vcpu& vcpu, const GhcbView& ghcb) {
    static constinit u8 request[page_size]{};
    static constinit u8 response[page_size]{};
    memcpy(request, shared_memory(ghcb.get(field::exit_info_1)), page_size);
    if (tells(vcpu.options, Lie::request_busy)) {
        static constinit bool was_busy = false;
        was_busy                       = !was_busy;
        if (was_busy) {
            return Answer::done(busy);
        }
    }
    const Unasked again{lie_about_request(vcpu, request)};
    const FirmwareStatus status = serve_guest_message(request, response);
    if (status == FirmwareStatus::success) {
        memcpy(kept.taken, request, page_size);
        if (lies_now(vcpu, Lie::request_lost)) {
            return Answer::done(busy);
        }
        lie_about_answer(vcpu, response);
        memcpy(shared_memory(ghcb.get(field::exit_info_2)), response, page_size);
    }
    return Answer::done(static_cast<u64>(status));
}

/// Copies the certificates to the guest's pages. False where they are too few, and RBX says so.
bool give_certificates(const Vcpu& vcpu, GhcbView& ghcb) {
    const std::span<const u8> table = certificates();
    const u64 needed                = std::max<u64>((table.size() + page_size - 1) / page_size, 1);
    const u64 gpa                   = ghcb.get(field::rax);
    if (tells(vcpu.options, Lie::certificates_size)) {
        ghcb.put(field::rbx, u64{1} << 52);
        return false;
    }
    if (ghcb.get(field::rbx) < needed) {
        ghcb.put(field::rbx, needed);
        return false;
    }
    u64 done = 0;
    for (u64 page = 0; page < needed; ++page) {
        u8* const to    = shared_memory(gpa + page * page_size);
        const u64 count = std::min<u64>(table.size() - done, page_size);
        memset(to, 0, page_size);
        memcpy(to, table.data() + done, count);
        done += count;
    }
    if (tells(vcpu.options, Lie::certificates_table)) {
        constexpr u64 offset_of_first = 16;
        constexpr u32 beyond          = 0xFFFF'FFF0;
        memcpy(shared_memory(gpa) + offset_of_first, &beyond, sizeof beyond);
    }
    return true;
}

} // namespace

/// Both information words are addresses.
Inputs guest_request_inputs(const GhcbView&) {
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}, .info_2 = ~u64{0}};
}

/// RAX and RBX: the pages for certificates, of which a message that asks for no report needs none.
Inputs extended_request_inputs(const GhcbView&) {
    return {.required = fields(field::rax, field::rbx),
            .optional = {},
            .info_1   = ~u64{0},
            .info_2   = ~u64{0}};
}

Answer serve_guest_request(Vcpu& vcpu, GhcbView& ghcb) {
    if (const char* fault = page_fault_of(ghcb)) {
        return Answer::invalid_input(fault);
    }
    return carry(vcpu, ghcb);
}

Answer serve_extended_request(Vcpu& vcpu, GhcbView& ghcb) {
    if (const char* fault = page_fault_of(ghcb)) {
        return Answer::invalid_input(fault);
    }
    if (asks_for_report(shared_memory(ghcb.get(field::exit_info_1)))) {
        constexpr u64 most_pages = 64;
        const u64 pages          = ghcb.get(field::rbx);
        for (u64 page = 0; page < std::min(pages, most_pages); ++page) {
            if (!is_shared_page(ghcb.get(field::rax) + page * page_size)) {
                return Answer::invalid_input("guest request: its pages for certificates are not "
                                             "shared");
            }
        }
        if (!give_certificates(vcpu, ghcb)) {
            return Answer::done(invalid_length);
        }
    }
    return carry(vcpu, ghcb);
}

} // namespace vestibule::sevsim
