// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/selftest/snp_cases.h"

#include "boot/attest/attest.h"
#include "boot/interrupts.h"
#include "boot/selftest/console.h"
#include "boot/snp/further_vcpu.h"
#include "boot/snp/service.h"
#include "boot/snp/vmpl.h"
#include "snp/ap_creation.h"
#include "snp/cpuid_page.h"
#include "snp/page_state.h"
#include "snp/registration.h"
#include "snp/rmpadjust.h"

namespace vestibule::selftest {

using boot::BootInfo;
using snp::PageOperation;
using snp::RmpPageSize;
using x86::Cpu;
using x86::CpuidResult;
using x86::RmpResult;

namespace {

alignas(page_size) constinit u64 page[page_size / sizeof(u64)]{};

constexpr Difference compare(const char* what, u64 seen, u64 wanted) {
    return seen == wanted ? Difference{} : Difference{what, seen, wanted};
}

constexpr Difference first_of(Difference a, Difference b) { return a.found() ? a : b; }

Difference compare(const char* what, ghcb::Outcome outcome) {
    return compare(what, outcome.is_done() ? 0 : u64{outcome.reason.set} << 8 | outcome.reason.code,
                   0);
}

const snp::CpuidPage& cpuid_page(const BootInfo& info) {
    return *reinterpret_cast<const snp::CpuidPage*>(info.cpuid_page);
}

void test_vmpl(Tap& tap, const BootInfo& info) {
    tap.result("SNP: this code runs at the VMPL that boot info names",
               compare("RMPADJUST of VMPL 1",
                       snp::is_at_vmpl0<Cpu>(reinterpret_cast<u64>(&page)) ? 1 : 0,
                       info.vmpl == 0 ? 1 : 0));
    write("# VMPL ");
    write_decimal(info.vmpl);
    write('\n');
}

/// As it was, and as it would be with the address in the GHCB MSR afterwards.
void test_registration(Tap& tap, const BootInfo& info) {
    Difference difference = compare("registration", snp::register_ghcb<Cpu>(info.ghcb_gpa));
    u64 features          = 0;
    ghcb::Call<Cpu> call{boot::vc_context().ghcb};
    const ghcb::Answer answer = call.exit(x86::ExitCode::hv_features, 0, 0, ghcb::registers::none);
    difference                = first_of(difference, compare("call", answer.outcome));
    difference                = first_of(
        difference, compare("features are told", call.answered_exitinfo2(features) ? 1 : 0, 1));
    tap.result("SNP: the registered GHCB page is answered",
               first_of(difference, compare("feature SNP", features & 1, 1)));
}

/// To the hypervisor and back: PVALIDATE tells of each change, and what the page held is gone.
Difference change_page(ghcb::Outcome (*change)(u64 gpa, PageOperation operation)) {
    constexpr u64 secret = 0x5EC4'E700'5EC4'E7FF;
    const u64 gpa        = reinterpret_cast<u64>(&page);
    auto* const words    = reinterpret_cast<volatile u64*>(page);
    words[0]             = secret;
    Difference difference =
        compare("PVALIDATE, taking it back", boot::set_validated({gpa, gpa + page_size}, false));
    difference =
        first_of(difference, compare("to shared", change(gpa, PageOperation::make_shared)));
    difference =
        first_of(difference, compare("to private", change(gpa, PageOperation::make_private)));
    difference = first_of(difference,
                          compare("PVALIDATE", boot::set_validated({gpa, gpa + page_size}, true)));
    if (!difference.found()) {
        const u64 seen = words[0];
        difference     = compare("the secret is gone", seen != secret ? 1 : 0, 1);
    }
    return difference;
}

void test_page_state(Tap& tap) {
    tap.result("SNP: page state change by the MSR protocol",
               change_page([](u64 gpa, PageOperation operation) {
                   return snp::change_page_by_msr<Cpu>(gpa, operation);
               }));
    tap.result("SNP: page state change by the GHCB page",
               change_page([](u64 gpa, PageOperation operation) {
                   return snp::change_pages<Cpu>(boot::vc_context().ghcb, gpa, 1,
                                                 RmpPageSize::small, operation);
               }));
}

/// The page lies in 2 MiB of which much was loaded page by page.
void test_size_mismatch(Tap& tap, const BootInfo& info) {
    constexpr const char* name = "SNP: PVALIDATE of 2 MiB that are no large page";
    if (info.vmpl != 0) {
        tap.skip(name, "below VMPL 0 the instruction is the service's");
        return;
    }
    tap.result(name, compare("code", Cpu::pvalidate(info.image_base, RmpPageSize::large, true).code,
                             RmpResult::fail_size_mismatch));
}

/// A word that any call would change in the page, and the MSR that any request would write.
void test_cpuid_silent(Tap& tap) {
    constexpr u64 mark      = 0x4D41'524B;
    ghcb::Page& ghcb        = *boot::vc_context().ghcb.page;
    volatile u64& exit_code = *const_cast<volatile u64*>(&ghcb.sw_exitcode);
    const u64 before        = Cpu::rdmsr(x86::Msr::ghcb);
    exit_code               = mark;
    (void)Cpu::cpuid(1);
    (void)Cpu::cpuid(x86::cpuid_leaf::extended_state, 1);
    (void)Cpu::cpuid(x86::cpuid_leaf::memory_encryption);
    const Difference difference = compare("SW_EXITCODE", exit_code, mark);
    tap.result("SNP: CPUID asks no hypervisor",
               first_of(difference, compare("GHCB MSR", Cpu::rdmsr(x86::Msr::ghcb), before)));
}

/// Each function of the page, but for what is the vCPU's own state.
void test_cpuid_functions(Tap& tap, const BootInfo& info) {
    Difference difference;
    const snp::CpuidPage& known = cpuid_page(info);
    for (u32 n = 0; n < known.count; ++n) {
        const snp::CpuidFunction& function = known.functions[n];
        const CpuidResult seen             = Cpu::cpuid(function.leaf, function.subleaf);
        const bool computed                = snp::depends_on_xcr0(function);
        const u32 own                      = function.leaf == 1 ? 1u << 27 : 0;
        difference = first_of(difference, compare("eax", seen.eax, function.eax));
        difference =
            first_of(difference, compare("ebx", seen.ebx, computed ? seen.ebx : function.ebx));
        difference = first_of(difference, compare("ecx", seen.ecx & ~own, function.ecx & ~own));
        difference = first_of(difference, compare("edx", seen.edx, function.edx));
    }
    tap.result("SNP: CPUID gives each function of the CPUID page",
               first_of(difference, compare("functions", known.count != 0 ? 1 : 0, 1)));
}

void test_cpuid_missing(Tap& tap) {
    constexpr u32 missing[] = {0x0000'003F, 0x0000'1000, 0x4000'00FF, 0x8000'003F,
                               0x8000'FFFF, 0xC000'0000, 0xFFFF'FFFF};
    Difference difference;
    for (const u32 leaf : missing) {
        const CpuidResult seen = Cpu::cpuid(leaf, 0);
        difference = first_of(difference, compare("a register of a leaf that is not in the page",
                                                  seen.eax | seen.ebx | seen.ecx | seen.edx, 0));
    }
    tap.result("SNP: CPUID of what the CPUID page has not is zero", difference);
}

// --- A further vCPU ---

alignas(page_size) constinit x86::Vmsa ap_vmsa{};
alignas(page_size) constinit u64 ap_area[page_size / sizeof(u64)]{};
alignas(8) constinit volatile u64 ap_arrived = 0;

/// Where it begins: counts in what RDI points to, and waits for nothing.
[[gnu::naked]] void ap_main() {
    asm volatile("lock incq (%rdi)\n"
                 "1: cli\n"
                 "hlt\n"
                 "jmp 1b");
}

/// And whether its VMSA is none any more.
bool is_ended(const boot::FurtherVcpu& vcpu, const BootInfo& info) {
    const snp::ApStart start{.apic_id     = vcpu.apic_id,
                             .vmsa_gpa    = vcpu.vmsa,
                             .vmsa_linear = vcpu.vmsa,
                             .sev_features =
                                 0, // not asked for; below VMPL 0 the page cannot be read
                             .vmpl = static_cast<u8>(info.vmpl)};
    ghcb::Channel& channel = boot::vc_context().ghcb;
    if (info.vmpl == 0) {
        return snp::destroy_ap<Cpu>(channel, start);
    }
    return snp::request_end_of_ap<Cpu>(channel, start)
           && boot::take_back_vmsa_by_service(boot::service(), vcpu.vmsa).is_done();
}

/// APIC ID 1, from a VMSA of this code's own, and ended again.
void test_ap(Tap& tap, const BootInfo& info) {
    constexpr const char* name = "SNP: a further vCPU starts from a VMSA made here, and ends";
    if (attest_record.vcpus < 2) {
        tap.skip(name, "the file starts one vCPU");
        return;
    }
    const boot::FurtherVcpu vcpu{.apic_id  = 1,
                                 .vmsa     = reinterpret_cast<u64>(&ap_vmsa),
                                 .area     = reinterpret_cast<u64>(&ap_area),
                                 .entry    = reinterpret_cast<u64>(&ap_main),
                                 .argument = reinterpret_cast<u64>(&ap_arrived)};
    Difference difference  = compare("creation", boot::create_vcpu(vcpu, snp::ApRequest::create));
    constexpr u64 patience = 100'000'000;
    for (u64 n = 0; n < patience && ap_arrived == 0 && !difference.found(); ++n) {
        Cpu::pause();
    }
    difference = first_of(difference, compare("arrivals", ap_arrived, 1));
    tap.result(name, first_of(difference,
                              compare("its VMSA is taken back", is_ended(vcpu, info) ? 1 : 0, 1)));
}

/// As `basenc --base16 -d` reads them.
void write_digit(unsigned value) {
    write(static_cast<char>(value < 10 ? '0' + value : 'A' + value - 10));
}

void write_line(const char* name, const u8* bytes, u64 size) {
    write(name);
    for (u64 n = 0; n < size; ++n) {
        write_digit(bytes[n] >> 4);
        write_digit(bytes[n] & 15u);
    }
    write('\n');
}

/// Over the data of the launch, by this VMPL; who reads the console verifies it.
void test_report(Tap& tap, const BootInfo& info) {
    constexpr u64 report_size    = 0x4A0; // 56860, table "Attestation Report"
    constexpr u64 report_data_at = 0x50;
    constexpr u64 vmpl_at        = 0x30;
    auto& told                   = const_cast<BootInfo&>(info); // the stub's own
    boot::attest(told);
    const auto* const report = reinterpret_cast<const u8*>(told.report);
    Difference difference    = compare("size", told.report_size, report_size);
    difference               = first_of(difference, compare("VMPL", report[vmpl_at], told.vmpl));
    for (u64 n = 0; n < boot::AttestRecord::data_size; ++n) {
        difference = first_of(difference, compare("REPORT_DATA", report[report_data_at + n],
                                                  attest_record.report_data[n]));
    }
    tap.result("SNP: an attestation report over the data of the launch", difference);
    write_line("# report ", report, told.report_size);
    write_line("# certificates ", reinterpret_cast<const u8*>(told.certificates),
               told.certificates_size);
}

} // namespace

unsigned snp_case_count() { return attest_record.wanted != 0 ? 10 : 9; }

bool cpuid_by_page(const BootInfo& info, u32 leaf, CpuidResult& result) {
    const snp::CpuidPage& known = cpuid_page(info);
    for (u32 n = 0; n < known.count; ++n) {
        const snp::CpuidFunction& function = known.functions[n];
        if (function.leaf == leaf && function.subleaf == 0) {
            result = {function.eax, function.ebx, function.ecx, function.edx};
            return true;
        }
    }
    return false;
}

void test_snp(Tap& tap, const BootInfo& info) {
    test_vmpl(tap, info);
    test_registration(tap, info);
    test_page_state(tap);
    test_size_mismatch(tap, info);
    test_cpuid_silent(tap);
    test_cpuid_functions(tap, info);
    test_cpuid_missing(tap);
    test_ap(tap, info);
    if (attest_record.wanted != 0) {
        test_report(tap, info);
    }
}

} // namespace vestibule::selftest
