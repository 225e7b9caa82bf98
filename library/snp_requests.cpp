// SPDX-License-Identifier: BSD-2-Clause-Patent
// Questions of a kernel to the secure processor (include/vestibule/snp.h): snp/requests.h by a
// kernel's pages, for one CPU at a time.
#include "include/vestibule/snp.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "snp/certificates.h"
#include "snp/requests.h"
#include "vc/walk.h"

using namespace vestibule;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

/// What is behind the public vestibule_snp_messages.
struct Conversation {
    snp::GuestMessages messages;
    bool is_used; // by a CPU
};

static_assert(sizeof(Conversation) <= VESTIBULE_SNP_MESSAGES_SIZE);

Conversation& conversation_of(vestibule_snp_messages& messages) {
    return reinterpret_cast<Conversation&>(messages);
}

/// One CPU's turn; or another one has it.
class Turn {
  public:
    explicit Turn(Conversation& of)
        : conversation{of}, is_ours{!__atomic_test_and_set(&of.is_used, __ATOMIC_ACQUIRE)} {}

    Turn(const Turn&)            = delete;
    Turn& operator=(const Turn&) = delete;

    ~Turn() {
        if (is_ours) {
            __atomic_clear(&conversation.is_used, __ATOMIC_RELEASE);
        }
    }

    Conversation& conversation;
    const bool is_ours;
};

/// `ask(messages, channel)`, if it is our turn.
template <class Ask>
vestibule_reason in_turn(vestibule_cpu* cpu, vestibule_snp_messages* messages, Ask ask) {
    const Turn turn{conversation_of(*messages)};
    if (!turn.is_ours) {
        return library::public_reason(reason::request_under_way);
    }
    return library::as_reason(ask(turn.conversation.messages, PerCpu::of(*cpu).context.ghcb));
}

bool is_shared_page(const vc::Context& context, u64 linear, u64 gpa) {
    const auto page = vc::walk<library::Cpu, true>(context, linear, vc::page_fault::write, 0);
    return (linear & (page_size - 1)) == 0 && !page.faults && !page.is_private && page.gpa == gpa;
}

snp::ReportRequest request_of(const vestibule_snp_report_request& asked) {
    snp::ReportRequest request;
    for (u64 n = 0; n < sizeof request.report_data; ++n) {
        request.report_data[n] = asked.report_data[n];
    }
    request.vmpl    = asked.vmpl;
    request.key_sel = asked.key;
    for (u8& byte : request.reserved) {
        byte = 0;
    }
    return request;
}

vestibule_reason get_report(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                            const vestibule_snp_report_request& asked, snp::ReportBuffer& buffer,
                            snp::CertificatePages* pages) {
    return in_turn(cpu, messages, [&](snp::GuestMessages& to, ghcb::Channel& channel) {
        return snp::get_report<library::Cpu, library::InterruptsOff>(to, channel, request_of(asked),
                                                                     buffer, pages);
    });
}

/// Copied first, since the hypervisor can write where it was; then looked at.
u64 take_certificates(const vestibule_snp_certificates& certificates) {
    const u64 size   = u64{certificates.pages} * page_size;
    const auto* from = reinterpret_cast<const volatile u64*>(certificates.shared);
    auto* const to   = static_cast<u64*>(certificates.table);
    for (u64 n = 0; n < size / sizeof(u64); ++n) {
        to[n] = from[n];
    }
    return snp::certificate_table_size({static_cast<const u8*>(certificates.table), size});
}

} // namespace

vestibule_reason vestibule_snp_open_messages(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                                             void* secrets, uint8_t vmpck,
                                             const vestibule_snp_pages* pages) {
    const vc::Context& context = PerCpu::of(*cpu).context;
    const auto linear          = reinterpret_cast<u64>(secrets);
    const auto page = vc::walk<library::Cpu, true>(context, linear, vc::page_fault::write, 0);
    if (vmpck >= snp::vmpl_count || (linear & (page_size - 1)) != 0 || page.faults
        || !page.is_private || !is_shared_page(context, pages->request, pages->request_gpa)
        || !is_shared_page(context, pages->response, pages->response_gpa)
        || pages->request_gpa == pages->response_gpa) {
        return library::public_reason(reason::call_argument);
    }
    return in_turn(cpu, messages, [&](snp::GuestMessages& to, ghcb::Channel&) {
        return snp::open_messages(
            to, *static_cast<snp::SecretsPage*>(secrets), vmpck,
            {reinterpret_cast<volatile u8*>(pages->request), pages->request_gpa},
            {reinterpret_cast<volatile u8*>(pages->response), pages->response_gpa});
    });
}

uint64_t vestibule_snp_status(const vestibule_snp_messages* messages) {
    return reinterpret_cast<const Conversation&>(*messages).messages.status;
}

vestibule_reason vestibule_snp_report(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                                      const vestibule_snp_report_request* request, void* report,
                                      size_t* size) {
    snp::ReportBuffer buffer{.bytes = static_cast<u8*>(report), .size = *size};
    const vestibule_reason result = get_report(cpu, messages, *request, buffer, nullptr);
    if (result == 0) {
        *size = buffer.size;
    }
    return result;
}

vestibule_reason vestibule_snp_extended_report(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                                               const vestibule_snp_report_request* request,
                                               void* report, size_t* size,
                                               vestibule_snp_certificates* certificates) {
    const vc::Context& context = PerCpu::of(*cpu).context;
    for (u64 n = 0; n < certificates->pages; ++n) {
        if (!is_shared_page(context, certificates->shared + n * page_size,
                            certificates->shared_gpa + n * page_size)) {
            return library::public_reason(reason::call_argument);
        }
        // Whatever a host leaves unwritten is the table's end.
        snp::clear_message(reinterpret_cast<volatile u8*>(certificates->shared + n * page_size));
    }
    if (certificates->reserved != 0) {
        return library::public_reason(reason::call_argument);
    }
    snp::CertificatePages pages{
        .gpa = certificates->shared_gpa, .count = certificates->pages, .needed = 0};
    snp::ReportBuffer buffer{.bytes = static_cast<u8*>(report), .size = *size};
    vestibule_reason result = get_report(cpu, messages, *request, buffer, &pages);
    if (pages.needed != 0) {
        // SECURITY: the hypervisor's number. No table that makes sense has more pages than that.
        constexpr u64 most  = 1024;
        certificates->pages = pages.needed <= most ? static_cast<u32>(pages.needed) : 0;
    }
    if (result != 0) {
        return result;
    }
    *size              = buffer.size;
    certificates->size = take_certificates(*certificates);
    if (certificates->size == 0) {
        certificates->pages = 0;
        return library::public_reason(reason::request_certificates);
    }
    return 0;
}

int vestibule_snp_read_certificate(const void* table, uint64_t size, uint32_t number,
                                   vestibule_snp_certificate* certificate) {
    snp::CertificateEntry entry;
    if (!snp::read_certificate_entry({static_cast<const u8*>(table), size}, number, entry)) {
        return -1;
    }
    for (u64 n = 0; n < sizeof entry.guid; ++n) {
        certificate->guid[n] = entry.guid[n];
    }
    certificate->offset = entry.offset;
    certificate->size   = entry.length;
    return 0;
}

vestibule_reason vestibule_snp_derived_key(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                                           const vestibule_snp_key_request* request,
                                           uint8_t key[32]) {
    const snp::KeyRequest asked{.root_key_select    = request->root,
                                .reserved           = request->reserved,
                                .guest_field_select = request->fields,
                                .vmpl               = request->vmpl,
                                .guest_svn          = request->guest_svn,
                                .tcb_version        = request->tcb,
                                .launch_mit_vector  = request->mitigation_vector};
    return in_turn(cpu, messages, [&](snp::GuestMessages& to, ghcb::Channel& channel) {
        return snp::get_derived_key<library::Cpu, library::InterruptsOff>(to, channel, asked, key);
    });
}

vestibule_reason vestibule_snp_tsc_info(vestibule_cpu* cpu, vestibule_snp_messages* messages,
                                        vestibule_tsc_info* info) {
    snp::TscInfo told;
    const vestibule_reason result =
        in_turn(cpu, messages, [&](snp::GuestMessages& to, ghcb::Channel& channel) {
            return snp::get_tsc_info<library::Cpu, library::InterruptsOff>(to, channel, told);
        });
    if (result == 0) {
        *info = {.scale    = told.tsc_scale,
                 .offset   = told.tsc_offset,
                 .factor   = told.tsc_factor,
                 .reserved = 0};
    }
    return result;
}

vestibule_reason vestibule_snp_forget_key(vestibule_snp_messages* messages) {
    const Turn turn{conversation_of(*messages)};
    if (!turn.is_ours) {
        return library::public_reason(reason::request_under_way);
    }
    snp::give_up_key(turn.conversation.messages);
    return 0;
}
