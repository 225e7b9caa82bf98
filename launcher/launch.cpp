// SPDX-License-Identifier: BSD-2-Clause-Patent
// See launch.h.
#include "launcher/launch.h"

#include "igvm/measure/id_block.h"
#include "kvm/cpuid.h"
#include "kvm/registers.h"
#include "launcher/native_vcpu.h"
#include "launcher/platform.h"
#include "x86/sev.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::launcher {

using igvm::PageType;
using igvm::PlatformType;

u64 policy_of(const Plan& plan) {
    constexpr u64 no_debug = bit(0);
    constexpr u64 sev_es   = bit(2);
    const bool snp         = plan.platform == PlatformType::sev_snp;
    return plan.content.policy.value_or(snp ? igvm::default_snp_policy : no_debug | sev_es);
}

Guest::Guest(Calls& calls, const kvm::Host& host, const Plan& plan)
    : calls_(calls), host_(host), plan_(plan), encrypted_(plan.platform != PlatformType::native),
      snp_(plan.platform == PlatformType::sev_snp) {
    make_vm();
    memory_ = std::make_unique<GuestMemory>(calls, vm_, plan.content, plan.machine.memory, snp_);
    make_vcpus();
    if (snp_) {
        launch_snp();
    } else if (encrypted_) {
        launch_sev_es();
    } else {
        for (const igvm::GuestPiece& piece : plan.content.pieces) {
            place(piece);
        }
    }
}

Guest::~Guest() {
    for (const Vcpu& vcpu : vcpus_) {
        calls_.kernel.unmap(reinterpret_cast<u8*>(vcpu.run), run_size_); // NOLINT: as mapped
        calls_.kernel.close(vcpu.descriptor);
    }
    memory_.reset();
    calls_.kernel.close(vm_);
    if (sev_device_ >= 0) {
        calls_.kernel.close(sev_device_);
    }
}

void Guest::make_vm() {
    // Otherwise KVM has but one type of VM, and KVM_SEV_ES_INIT makes an SEV-ES guest of it.
    const bool init2 = snp_ || host_.makes(abi::VmType::sev_es);
    const auto type  = init2 ? vm_type_of(plan_.platform) : abi::VmType::standard;
    vm_              = calls_.call(host_.kvm, KVM_CREATE_VM, static_cast<u64>(type));
    if (encrypted_) {
        sev_device_ = calls_.open("/dev/sev");
        if (snp_) {
            // Without it every page state change of the guest's is answered with an error.
            kvm_enable_cap cap{};
            cap.cap     = abi::cap_exit_hypercall;
            cap.args[0] = bit(abi::map_gpa_range);
            calls_.call(vm_, KVM_ENABLE_CAP, cap);
        } else {
            sev_issue_cmd command{
                .cmd = SEV_PLATFORM_STATUS, .data = address_of(&firmware_), .error = 0};
            calls_.call(sev_device_, SEV_ISSUE_CMD, command);
        }
        abi::Init2 options{};
        // KVM adds SNP's own bit.
        options.vmsa_features = features() & ~(x86::SevStatus::snp >> 2);
        if (init2) {
            calls_.sev(vm_, sev_device_, abi::Sev::init2, options);
        } else {
            calls_.sev(vm_, sev_device_, abi::Sev::es_init);
        }
    } else {
        constexpr u64 out_of_the_way = 0xFFFB'D000; // three pages that Intel's KVM needs
        calls_.call(vm_, KVM_SET_TSS_ADDR, out_of_the_way);
    }
    calls_.call(vm_, KVM_CREATE_IRQCHIP);
    kvm_pit_config pit{};
    pit.flags = KVM_PIT_SPEAKER_DUMMY; // port 0x61, by which Linux measures its clocks
    calls_.call(vm_, KVM_CREATE_PIT2, pit);
}

/// One value for all vCPUs: KVM takes it before there is one.
u64 Guest::features() const {
    const auto first = plan_.content.contexts.find(0);
    return first == plan_.content.contexts.end()
               ? 0
               : igvm::load<x86::Vmsa>(first->second).sev_features;
}

void Guest::make_vcpus() {
    supported_ = kvm::supported_cpuid(calls_, host_.kvm);
    run_size_  = static_cast<u64>(calls_.call(host_.kvm, KVM_GET_VCPU_MMAP_SIZE));
    if (run_size_ < sizeof(kvm_run)) {
        throw LaunchError(fmt::format("KVM_GET_VCPU_MMAP_SIZE: found {}, expected {} or more",
                                      run_size_, sizeof(kvm_run)));
    }
    for (u32 n = 0; n < plan_.machine.vcpus; ++n) {
        const int vcpu = calls_.call(vm_, KVM_CREATE_VCPU, n);
        auto* const run =
            reinterpret_cast<kvm_run*>(calls_.map(run_size_, vcpu)); // NOLINT: what is mapped
        vcpus_.push_back({.descriptor = vcpu, .run = run});
        abi::Cpuid cpuid = kvm::cpuid_of(supported_, n, plan_.machine.vcpus);
        calls_.call(vcpu, abi::set_cpuid2, cpuid);
        const auto context = plan_.content.contexts.find(n);
        if (context == plan_.content.contexts.end()) {
            continue; // as at reset
        }
        if (encrypted_) {
            kvm::set_registers(calls_, vcpu, igvm::load<x86::Vmsa>(context->second), supported_);
        } else {
            set_registers(calls_, vcpu, igvm::load<igvm::NativeVpContext>(context->second));
        }
    }
}

/// Without SNP what is not measured cannot be encrypted either: the guest finds it shared.
bool Guest::is_launched(const igvm::GuestPiece& piece) const {
    return !piece.shared && (snp_ || piece.type != PageType::unmeasured);
}

void Guest::launch_pages() {
    constexpr u64 most = u64{1} << 30; // a length is 32 bits
    const auto& pieces = plan_.content.pieces;
    for (u64 first = 0, end = 0; first < pieces.size(); first = end) {
        const igvm::GuestPiece& piece = pieces[first];
        const bool launched           = is_launched(piece);
        igvm::GpaRange range          = piece.range;
        const auto continues          = [&](const igvm::GuestPiece& next) {
            return launched && is_launched(next) && next.type == piece.type
                   && piece.type != PageType::cpuid && range.size < most
                   && next.range.gpa == range.gpa + range.size;
        };
        for (end = first + 1; end < pieces.size() && continues(pieces[end]); ++end) {
            range.size += pieces[end].range.size;
        }
        if (snp_) { // a page that is not launched may lie in required memory, which is private
            memory_->convert(range, launched);
        }
        // Before the call, and so nothing is written over what is encrypted already.
        for (const igvm::GuestPiece& own : std::span(pieces).subspan(first, end - first)) {
            place(own);
        }
        if (launched && snp_) {
            update_snp(piece, range);
        } else if (launched) {
            update_sev_es(range);
        }
    }
}

u8* Guest::host_of(const igvm::GpaRange& range) const {
    u8* const host = memory_->at(range);
    if (host == nullptr) {
        throw LaunchError(
            fmt::format("found pages at {:#x}, {:#x} bytes, that cross the end of RAM: "
                        "expected them inside or outside of it, see --memory",
                        range.gpa, range.size));
    }
    return host;
}

/// Writes a piece where the host sees guest memory.
void Guest::place(const igvm::GuestPiece& piece) {
    u8* const host = host_of(piece.range);
    std::memset(host, 0, piece.range.size);
    std::ranges::copy(piece.data, host);
}

void Guest::launch_sev_es() {
    // Encrypted pages must stay where they are in the host's memory.
    for (const Slot& slot : memory_->slots()) {
        kvm_enc_region region{.addr = address_of(slot.host), .size = slot.range.size};
        calls_.call(vm_, KVM_MEMORY_ENCRYPT_REG_REGION, region);
    }
    kvm_sev_launch_start start{};
    start.policy = static_cast<u32>(policy_of(plan_));
    if (plan_.session) {
        start.dh_uaddr      = address_of(plan_.session->certificate.data());
        start.dh_len        = static_cast<u32>(plan_.session->certificate.size());
        start.session_uaddr = address_of(plan_.session->blob.data());
        start.session_len   = static_cast<u32>(plan_.session->blob.size());
    }
    calls_.sev(vm_, sev_device_, abi::Sev::launch_start, start);
    launch_pages();
    calls_.sev(vm_, sev_device_, abi::Sev::launch_update_vmsa);
    Measured& measured = measured_.emplace(
        Measured{.measure = {}, .mnonce = {}, .firmware = firmware_, .policy = start.policy});
    // Newer headers name the padding that older ones leave unnamed.
    kvm_sev_launch_measure measure{};
    measure.uaddr = address_of(&measured);
    measure.len   = offsetof(Measured, firmware);
    calls_.sev(vm_, sev_device_, abi::Sev::launch_measure, measure);
    calls_.sev(vm_, sev_device_, abi::Sev::launch_finish);
}

void Guest::update_sev_es(const igvm::GpaRange& range) {
    kvm_sev_launch_update_data update{};
    update.uaddr = address_of(host_of(range));
    update.len   = static_cast<u32>(range.size);
    calls_.sev(vm_, sev_device_, abi::Sev::launch_update_data, update);
}

void Guest::launch_snp() {
    abi::SnpLaunchStart start{};
    start.policy = policy_of(plan_);
    calls_.sev(vm_, sev_device_, abi::Sev::snp_launch_start, start);
    for (const igvm::GpaRange& range : plan_.content.required) {
        memory_->convert(range, true);
    }
    launch_pages();
    finish_snp();
}

void Guest::update_snp(const igvm::GuestPiece& piece, const igvm::GpaRange& range) {
    u8* const source = host_of(range);
    if (piece.type == PageType::cpuid && piece.data.empty()) {
        std::ranges::copy(kvm::cpuid_page(supported_), source);
    }
    const auto update_once = [&] {
        abi::SnpLaunchUpdate update{};
        update.gfn_start = range.gpa / page_size;
        update.uaddr     = address_of(source);
        update.len       = range.size;
        update.type      = static_cast<u8>(piece.type);
        while (update.len != 0) { // KVM says what is left
            const u64 left = update.len;
            calls_.sev(vm_, sev_device_, abi::Sev::snp_launch_update, update);
            if (update.len >= left) {
                throw LaunchError(fmt::format("SEV_SNP_LAUNCH_UPDATE: found {:#x} bytes left, "
                                              "expected fewer than the {:#x} before",
                                              update.len, left));
            }
        }
    };
    try {
        update_once();
    } catch (const FirmwareError& error) {
        // The firmware has written into the page what it would accept. It is measured by its
        // address only, and the guest checks it.
        if (piece.type != PageType::cpuid || error.code != kvm::sev_ret::invalid_param) {
            throw;
        }
        update_once();
    }
    calls_.kernel.discard(-1, address_of(source), range.size);
}

void Guest::finish_snp() {
    abi::SnpLaunchFinish finish{};
    igvm::IdBlock block{};
    auto auth = std::make_unique<igvm::IdAuth>();
    if (plan_.content.id_block) {
        block                 = igvm::firmware_block(*plan_.content.id_block, policy_of(plan_));
        *auth                 = igvm::firmware_auth(*plan_.content.id_block);
        finish.id_block_uaddr = address_of(&block);
        finish.id_auth_uaddr  = address_of(auth.get());
        finish.id_block_en    = 1;
        finish.auth_key_en    = static_cast<u8>(plan_.content.id_block->author_key_enabled != 0);
    }
    calls_.sev(vm_, sev_device_, abi::Sev::snp_launch_finish, finish);
}

} // namespace vestibule::launcher
