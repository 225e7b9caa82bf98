// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub as an SEV-SNP guest, from its first C++ to the payload: boot/main.cpp's order, with what
// the reverse map table makes different. The C-bit is what was measured and the CPUID page says; a
// trial as under SEV-ES would be an access that the hypervisor answers by taking the page.
#include "boot/boot_info.h"
#include "boot/c_bit.h"
#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/page_tables.h"
#include "boot/snp/handler.h"
#include "boot/snp/share.h"
#include "boot/snp/vmpl.h"
#include "ghcb/msr_protocol.h"
#include "ghcb/open.h"
#include "ghcb/sev_status.h"
#include "ghcb/version.h"
#include "snp/features.h"
#include "snp/page_state.h"
#include "snp/registration.h"

using namespace vestibule;
using x86::Cpu;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void snp_main();
#pragma GCC visibility pop

namespace {

constinit boot::BootInfo boot_info{};
constinit ghcb::Page ghcb_page{};
constinit ghcb::Page ghcb_backup{};

void require(ghcb::Outcome outcome) {
    if (!outcome.is_done()) {
        boot::fail(outcome.reason);
    }
}

/// The protocol version. SECURITY: the hypervisor's C-bit is held against the measured one, of
/// which it is no more than an opinion.
u16 negotiate(u64 c_bit) {
    namespace msr_protocol = ghcb::msr_protocol;
    const auto information = msr_protocol::SevInformation::decode(
        msr_protocol::exchange<Cpu>(msr_protocol::sev_information_request));
    if (!information.well_formed) {
        boot::fail(ghcb::reason::msr_bad_response);
    }
    constexpr u16 first_with_snp = 2;
    const u16 version = ghcb::negotiate_version(information.min_version, information.max_version);
    if (version < first_with_snp) {
        boot::fail(ghcb::reason::protocol_range);
    }
    if (information.c_bit_position >= 64 || bit(information.c_bit_position) != c_bit) {
        boot::fail(ghcb::reason::c_bit_mismatch);
    }
    return version;
}

/// The GHCB page: taken back, shared, registered, and answered.
void open_snp_ghcb(ghcb::Channel& channel, u16 version, u64 c_bit) {
    const u64 gpa = boot::address_of(&ghcb_page);
    boot::take_back(gpa);
    require(snp::change_page_by_msr<Cpu>(gpa, snp::PageOperation::make_shared));
    boot::map_shared(gpa, c_bit);
    require(snp::register_ghcb<Cpu>(gpa));
    channel = {.page = &ghcb_page, .gpa = gpa, .backup = &ghcb_backup, .version = version};
    ghcb::announce<Cpu>(channel);

    u64 features = 0;
    require(snp::ask_features<Cpu>(channel, features));
    if ((features & snp::feature::snp) == 0) {
        boot::fail(ghcb::reason::snp_features);
    }
}

} // namespace

void snp_main() {
    boot::install_early_handlers(); // before anything that can raise #VC
    boot::install_snp_handler();

    // Never intercepted, and there on every processor that can have entered here.
    const x86::SevStatus status{Cpu::rdmsr(x86::Msr::sev_status)};
    require(ghcb::judge_snp_status(status));
    const u64 c_bit = boot::measured_c_bit();
    (void)boot::open_cpuid_table(c_bit);
    const u16 version = negotiate(c_bit);
    boot::load_page_tables(c_bit);
    boot_info.image_base   = boot::address_of(image_start);
    boot_info.image_size   = boot::address_of(image_end) - boot_info.image_base;
    boot_info.cpuid_page   = boot::address_of(image_end);
    boot_info.secrets_page = boot_info.cpuid_page + page_size;
    boot::find_vmpl(boot_info);
    ghcb::Channel& channel = boot::vc_context().ghcb;
    open_snp_ghcb(channel, version, c_bit);
    boot::install_runtime_handler();
    boot::install_snp_handler();
    boot_info.magic        = VESTIBULE_BOOT_INFO_MAGIC;
    boot_info.version      = 1;
    boot_info.size         = sizeof(boot::BootInfo);
    boot_info.platform     = boot::Platform::sev_snp;
    boot_info.ghcb_version = version;
    boot_info.c_bit        = c_bit;
    boot_info.ghcb_gpa     = channel.gpa;
    boot_info.sev_status   = status.value;
    payload_main(boot_info);
}
