// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/launch.h"

#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_lies.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/cpu.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

constinit LaunchModule module{};
constinit std::span<const u8> certificate_table{};
constinit std::span<const u8> secret{};
constinit u64 secret_gpa = 0;

/// As far as this machine's firmware fills it in.
struct SecretsPage {
    u32 version;
    u32 flags;
    u32 family_model_stepping; // CPUID 1 EAX
    u32 reserved0;
    u8 gosvw[16]; // errata that the guest has to work around
    u8 vmpck[4][32];
    u8 guest_area[0x60];
    u8 rest[page_size - 0x100];
};

static_assert(offsetof(SecretsPage, vmpck) == 0x20);
static_assert(offsetof(SecretsPage, guest_area) == 0xA0);
static_assert(sizeof(SecretsPage) == page_size);

constexpr u32 secrets_version = 3;

} // namespace

void take_launch_module(std::span<const u8> bytes) {
    if (bytes.size() < sizeof module) {
        end_run_by_monitor_error("started without what a launch for SEV-SNP needs");
    }
    memcpy(&module, bytes.data(), sizeof module);
    constexpr u32 most_sections = sizeof module.sections / sizeof module.sections[0];
    if (module.section_count > most_sections) {
        end_run_by_monitor_error("more sections of firmware than there is room for");
    }
    if (module.certificates_size > bytes.size() - sizeof module) {
        end_run_by_monitor_error("certificates that are not there");
    }
    certificate_table = bytes.subspan(sizeof module, module.certificates_size);
}

void take_launch_secret(std::span<const u8> bytes) {
    LaunchSecret place{};
    if (bytes.size() < sizeof place) {
        end_run_by_monitor_error("started without the secret that it was to have");
    }
    memcpy(&place, bytes.data(), sizeof place);
    if (place.size > bytes.size() - sizeof place) {
        end_run_by_monitor_error("a secret that is not there");
    }
    secret_gpa = place.gpa;
    secret     = bytes.subspan(sizeof place, place.size);
}

void put_launch_secret() {
    for (u64 at = 0; at < secret.size();) {
        const u64 gpa   = secret_gpa + at;
        const u64 count = std::min(secret.size() - at, page_size - gpa % page_size);
        if (gpa < secret_gpa || !is_guest_memory(gpa)) {
            end_run_by_monitor_error("the secret's place is not guest memory: see --secret-at");
        }
        memcpy(private_memory(gpa), &secret[at], count);
        at += count;
    }
}

const LaunchModule& launch_module() { return module; }

std::span<const u8> certificates() { return certificate_table; }

void fill_secrets_page(const Options& options, u8* page) {
    auto& secrets = *reinterpret_cast<SecretsPage*>(page);
    memset(page, 0, page_size);
    secrets.version               = secrets_version;
    secrets.family_model_stepping = x86::Cpu::cpuid(1).eax;
    memcpy(secrets.vmpck, module.vmpck, sizeof secrets.vmpck);
    for (const Hostility& lie : options.hostile) {
        if (lie.lie == Lie::secrets_flip) {
            (void)tells(options, lie.lie);
            flip(page, lie.code);
        }
    }
}

} // namespace vestibule::sevsim
