// SPDX-License-Identifier: BSD-2-Clause-Patent
// Asking an SVSM, the service at VMPL 0 of a guest that runs below it (Secure VM Service Module
// specification, 58019): through a calling area that both share and the hypervisor cannot touch,
// with registers for arguments. The hypervisor only changes from one VMPL to the other (GHCB
// specification, MSR protocol 0x016).
//
// SECURITY: registers and calling area are out of the hypervisor's reach. What it can do is not to
// run the SVSM: then the call is still marked pending, and that is how it is told.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"
#include "snp/acceptance.h"
#include "snp/rmpadjust.h"
#include "snp/secrets_page.h"
#include "x86/cpu.h"

namespace vestibule::snp {

enum class SvsmProtocol : u32 { core = 0, attestation = 1, vtpm = 2 };

/// Calls of the core protocol.
enum class SvsmCore : u32 {
    remap_ca    = 0,
    pvalidate   = 1,
    create_vcpu = 2,
    delete_vcpu = 3,
    query       = 6,
};

/// Calls of the attestation protocol.
enum class SvsmAttestation : u32 { services = 0, single_service = 1 };

/// RAX of an answer.
namespace svsm_result {
inline constexpr u64 success              = 0;
inline constexpr u64 incomplete           = 0x8000'0000;
inline constexpr u64 unsupported_protocol = 0x8000'0001;
inline constexpr u64 unsupported_call     = 0x8000'0002;
inline constexpr u64 invalid_address      = 0x8000'0003;
inline constexpr u64 invalid_format       = 0x8000'0004;
inline constexpr u64 invalid_parameter    = 0x8000'0005;
inline constexpr u64 invalid_request      = 0x8000'0006;
inline constexpr u64 busy                 = 0x8000'0007;
inline constexpr u64 of_protocol          = 0x8000'1000; // + of PVALIDATE its code, say
} // namespace svsm_result

/// A vCPU's calling area, a page.
struct SvsmCallingArea {
    u8 call_pending;
    u8 mem_available;
    u8 reserved[6];
    u64 buffer[511];
};

static_assert(sizeof(SvsmCallingArea) == page_size);

/// What goes through a VMGEXIT that ends in another VMPL of the guest.
struct SvsmRegisters {
    u64 rax = 0;
    u64 rcx = 0;
    u64 rdx = 0;
    u64 r8  = 0;
    u64 r9  = 0;
};

/// For a Cpu that is to call one.
struct SvsmExit {
    /// VMGEXIT with registers that another VMPL reads and writes.
    static void vmgexit_with_registers(SvsmRegisters& registers) {
        register u64 r8 asm("r8") = registers.r8;
        register u64 r9 asm("r9") = registers.r9;
        asm volatile(".byte 0xF3, 0x0F, 0x01, 0xD9"
                     : "+a"(registers.rax), "+c"(registers.rcx), "+d"(registers.rdx), "+r"(r8),
                       "+r"(r9)
                     :
                     : "memory");
        registers.r8 = r8;
        registers.r9 = r9;
    }
};

struct Svsm {
    volatile SvsmCallingArea* area; // mapped private
    u64 area_gpa;
    u8 vmpl; // of the guest
};

/// What the secrets page says: `vmpl` is 0 where there is no SVSM. The area is for the caller to
/// map.
inline ghcb::Outcome find_svsm(const SecretsPage& secrets, Svsm& svsm) {
    svsm = {};
    if (secrets.svsm_size == 0) {
        return ghcb::Outcome::done();
    }
    if (secrets.svsm_guest_vmpl == 0 || secrets.svsm_guest_vmpl >= vmpl_count
        || secrets.svsm_caa % page_size != 0 || secrets.svsm_caa == 0) {
        return ghcb::Outcome::terminate(ghcb::reason::svsm_area);
    }
    svsm.area_gpa = secrets.svsm_caa;
    svsm.vmpl     = secrets.svsm_guest_vmpl;
    return ghcb::Outcome::done();
}

/// One call; RCX, RDX, R8 and R9 go in and come back, RAX is the answer. `code` is of the
/// protocol's enumeration. The GHCB MSR holds the hypervisor's answer afterwards.
template <class Cpu>
ghcb::Outcome call_svsm(const Svsm& svsm, SvsmProtocol protocol, u32 code,
                        SvsmRegisters& registers) {
    registers.rax           = u64{static_cast<u32>(protocol)} << 32 | code;
    svsm.area->call_pending = 1;
    Cpu::wrmsr(x86::Msr::ghcb, ghcb::msr_protocol::run_vmpl_request); // VMPL 0
    Cpu::vmgexit_with_registers(registers);
    const u64 answer         = Cpu::rdmsr(x86::Msr::ghcb);
    const bool still_pending = svsm.area->call_pending != 0;
    svsm.area->call_pending  = 0;
    return answer == ghcb::msr_protocol::run_vmpl_response && !still_pending
               ? ghcb::Outcome::done()
               : ghcb::Outcome::terminate(ghcb::reason::svsm_not_answering);
}

/// A call that succeeds or fails.
template <class Cpu>
ghcb::Outcome ask_svsm(const Svsm& svsm, SvsmCore code, SvsmRegisters& registers) {
    const ghcb::Outcome outcome =
        call_svsm<Cpu>(svsm, SvsmProtocol::core, static_cast<u32>(code), registers);
    return outcome.is_done() && registers.rax != svsm_result::success
               ? ghcb::Outcome::terminate(ghcb::reason::svsm_refused)
               : outcome;
}

/// From the area that the SVSM has given to one of the guest's own, which it then is.
template <class Cpu>
ghcb::Outcome remap_calling_area(Svsm& svsm, volatile SvsmCallingArea* area, u64 gpa) {
    SvsmRegisters registers{.rcx = gpa};
    const ghcb::Outcome outcome = ask_svsm<Cpu>(svsm, SvsmCore::remap_ca, registers);
    if (outcome.is_done()) {
        svsm.area     = area;
        svsm.area_gpa = gpa;
    }
    return outcome;
}

/// The versions of a protocol that it speaks; both 0: none.
struct SvsmVersions {
    u32 lowest;
    u32 highest;
};

template <class Cpu>
ghcb::Outcome query_svsm(const Svsm& svsm, SvsmProtocol protocol, SvsmVersions& versions) {
    SvsmRegisters registers{.rcx = u64{static_cast<u32>(protocol)} << 32 | 1};
    const ghcb::Outcome outcome = ask_svsm<Cpu>(svsm, SvsmCore::query, registers);
    if (outcome.is_done()) {
        versions = {.lowest = low_half(registers.rcx), .highest = high_half(registers.rcx)};
    }
    return outcome;
}

/// A further vCPU from a VMSA that is a private page and that the SVSM makes one, with a calling
/// area of its own. It is started with AP creation as any.
struct SvsmVcpu {
    u32 apic_id;
    u64 vmsa_gpa;
    u64 area_gpa;
};

template <class Cpu>
ghcb::Outcome create_svsm_vcpu(const Svsm& svsm, const SvsmVcpu& vcpu) {
    SvsmRegisters registers{.rcx = vcpu.vmsa_gpa, .rdx = vcpu.area_gpa, .r8 = vcpu.apic_id};
    return ask_svsm<Cpu>(svsm, SvsmCore::create_vcpu, registers);
}

template <class Cpu>
ghcb::Outcome delete_svsm_vcpu(const Svsm& svsm, u64 vmsa_gpa) {
    // As long as a processor is in it, and it may be for some time yet (release_vmsa()).
    constexpr u64 in_use = svsm_result::of_protocol + x86::RmpResult::fail_in_use;
    SvsmRegisters registers{.rax = in_use};
    ghcb::Outcome outcome = ghcb::Outcome::done();
    for (u32 n = 0; n != most_release_tries && registers.rax == in_use; ++n) {
        registers = {.rcx = vmsa_gpa};
        outcome   = ask_svsm<Cpu>(svsm, SvsmCore::delete_vcpu, registers);
    }
    return outcome;
}

/// Memory that an attestation call reads or writes.
struct SvsmBuffer {
    u64 gpa;
    u32 size;
    u32 reserved;
};

/// What such a call asks for; in the calling area's buffer.
struct SvsmAttestationRequest {
    SvsmBuffer report;
    SvsmBuffer nonce;
    SvsmBuffer manifest;
    SvsmBuffer certificates;
    u8 service[16]; // of `single_service` alone, as is the version
    u32 manifest_version;
    u32 reserved;
};

static_assert(sizeof(SvsmAttestationRequest) == 88);
static_assert(sizeof(SvsmAttestationRequest) <= sizeof(SvsmCallingArea::buffer));

/// A report of VMPL 0 whose REPORT_DATA cover nonce and manifest, and both with the host's
/// certificates in the request's buffers. Sizes out: what there is; where it is refused for want of
/// room, what it takes, and 0 for any other reason.
template <class Cpu>
ghcb::Outcome attest_by_svsm(const Svsm& svsm, SvsmAttestation code,
                             SvsmAttestationRequest& request) {
    const auto* words = reinterpret_cast<const u64*>(&request);
    for (unsigned n = 0; n < sizeof request / sizeof(u64); ++n) {
        svsm.area->buffer[n] = words[n];
    }
    const u64 at = svsm.area_gpa + offsetof(SvsmCallingArea, buffer);
    SvsmRegisters registers{.rcx = at};
    const ghcb::Outcome outcome =
        call_svsm<Cpu>(svsm, SvsmProtocol::attestation, static_cast<u32>(code), registers);
    if (!outcome.is_done()) {
        return outcome;
    }
    const bool is_made = registers.rax == svsm_result::success;
    // An address that still stands in RCX is no size: what was wrong is another parameter.
    const bool has_size =
        is_made || (registers.rax == svsm_result::invalid_parameter && registers.rcx != at);
    // An SVSM is trusted, and all the same no size of it is believed beyond the room there is.
    const bool fits = registers.rcx <= request.manifest.size
                      && registers.rdx <= request.certificates.size
                      && registers.r8 <= request.report.size;
    request.manifest.size     = has_size ? low_half(registers.rcx) : 0;
    request.certificates.size = has_size ? low_half(registers.rdx) : 0;
    request.report.size       = has_size ? low_half(registers.r8) : 0;
    return is_made && fits ? outcome : ghcb::Outcome::terminate(ghcb::reason::svsm_refused);
}

/// PVALIDATE by the SVSM: a list in the calling area's buffer, a header and an entry a page.
struct SvsmPvalidateList {
    static constexpr unsigned most = sizeof(SvsmCallingArea::buffer) / sizeof(u64) - 1;

    static constexpr u64 header(u16 count, u16 next) { return u64{next} << 16 | count; }

    static constexpr u16 next_of(u64 header) { return static_cast<u16>(header >> 16); }

    static constexpr u64 entry(u64 gpa, RmpPageSize size, bool validate) {
        constexpr u64 validates = bit(2);
        return gpa | static_cast<u64>(size) | (validate ? validates : 0);
    }
};

/// Sets or clears the validated state of what is to be private, up to before `range.end`. The
/// hypervisor was asked to assign it before. Where a large page is none in the reverse map table,
/// that one is done page by page.
template <class Cpu>
ghcb::Outcome set_validated_by_svsm(const Svsm& svsm, Range range, bool validate) {
    using List                  = SvsmPvalidateList;
    constexpr u64 size_mismatch = svsm_result::of_protocol + x86::RmpResult::fail_size_mismatch;
    u64 small_until             = 0;
    while (range.base < range.end) {
        unsigned count = 0;
        for (u64 at = range.base; at < range.end && count < List::most; ++count) {
            const RmpPageSize size =
                at < small_until ? RmpPageSize::small : largest_at(at, range.end);
            svsm.area->buffer[1 + count] = List::entry(at, size, validate);
            at += bytes_of(size);
        }
        svsm.area->buffer[0] = List::header(static_cast<u16>(count), 0);
        SvsmRegisters registers{.rcx = svsm.area_gpa + offsetof(SvsmCallingArea, buffer)};
        const ghcb::Outcome outcome = call_svsm<Cpu>(
            svsm, SvsmProtocol::core, static_cast<u32>(SvsmCore::pvalidate), registers);
        if (!outcome.is_done()) {
            return outcome;
        }
        // As far as it has come, which is further than it was, or at a page of another size.
        const unsigned done = List::next_of(svsm.area->buffer[0]);
        const bool by_size  = registers.rax == size_mismatch;
        if (done > count || (registers.rax == svsm_result::success && done != count)
            || (registers.rax != svsm_result::success && registers.rax != svsm_result::incomplete
                && !by_size)
            || (done == 0 && !by_size)) {
            return ghcb::Outcome::terminate(ghcb::reason::svsm_refused);
        }
        for (unsigned n = 0; n < done; ++n) {
            range.base += bytes_of(range.base < small_until ? RmpPageSize::small
                                                            : largest_at(range.base, range.end));
        }
        if (by_size) {
            if (range.base < small_until
                || largest_at(range.base, range.end) == RmpPageSize::small) {
                return ghcb::Outcome::terminate(ghcb::reason::svsm_refused);
            }
            small_until = range.base + x86::large_page_size;
        }
    }
    return ghcb::Outcome::done();
}

} // namespace vestibule::snp
