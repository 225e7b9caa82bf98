// SPDX-License-Identifier: BSD-2-Clause-Patent
// See firmware_launch.h. The order is that of QEMU's target/i386/sev.c; EC2 and GCE as
// sev-snp-measure has them (guest.py, snp_calc_launch_digest).
#include "igvm/measure/firmware_launch.h"

#include "igvm/measure/vcpu_state.h"
#include "x86/sev.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
class Composer {
  public:
    Composer(const Firmware& firmware, const FirmwareLaunchOptions& options)
        : firmware_(firmware), options_(options), vmm_(options.launch.vmm),
          snp_(options.launch.platform == PlatformType::sev_snp) {
        launch_.platform = options.launch.platform;
    }

    std::expected<Launch, std::string> run() {
        if (snp_) {
            if (!options_.without_volume) {
                pages();
            }
            sections();
        } else {
            launch_.steps.push_back({.type = PageType::normal,
                                     .gpa  = firmware_.gpa(),
                                     .data = firmware_.bytes,
                                     .what = "firmware"});
            hashes();
        }
        if (error_.empty() && options_.launch.platform != PlatformType::sev) {
            vcpus();
        }
        if (!error_.empty()) {
            return std::unexpected(error_);
        }
        return std::move(launch_);
    }

  private:
    void pages() {
        for (u64 at = 0; at < firmware_.bytes.size(); at += page_size) {
            launch_.steps.push_back({.type = PageType::normal,
                                     .gpa  = firmware_.gpa() + at,
                                     .data = firmware_.bytes.subspan(at, page_size),
                                     .what = "firmware"});
        }
    }

    void sections() {
        if (!firmware_.sections) {
            error_ = "found no SEV metadata, expected a firmware made for SEV-SNP";
            return;
        }
        bool has_hashes = false;
        for (const FirmwareSection& section : *firmware_.sections) {
            if (section.type == SectionType::cpuid && vmm_.cpuid_pages_last) {
                continue;
            }
            has_hashes = has_hashes || section.type == SectionType::kernel_hashes;
            add(section);
        }
        if (vmm_.cpuid_pages_last) {
            for (const FirmwareSection& section : *firmware_.sections) {
                if (section.type == SectionType::cpuid) {
                    add(section);
                }
            }
        }
        if (options_.hash_table && !has_hashes) {
            error_ = "found no section for kernel hashes in its SEV metadata, expected one: this "
                     "firmware verifies no kernel, use edk2's AmdSev build";
        }
    }

    void add(const FirmwareSection& section) {
        Step step{.type  = PageType::zero,
                  .gpa   = section.gpa,
                  .pages = section.size / page_size,
                  .what  = "zero pages"};
        switch (section.type) {
        case SectionType::sec_mem:
            step.type = vmm_.firmware_ram;
            step.what = "memory of SEC";
            break;
        case SectionType::secrets:
            step.type = PageType::secrets;
            step.what = "secrets";
            break;
        case SectionType::cpuid:
            step.type = PageType::cpuid;
            step.what = "CPUID";
            break;
        case SectionType::svsm_caa: step.what = "SVSM calling area"; break;
        case SectionType::kernel_hashes:
            step.what = "no kernel hashes";
            if (const auto& table = options_.hash_table) {
                hash_page(section, *table);
                return;
            }
        }
        launch_.steps.push_back(step);
    }

    /// Where the firmware wants the table; null, and an error, where it does not.
    const HashTableArea* hash_area() {
        const auto& area = firmware_.hash_table;
        if (area && area->gpa != 0 && area->size >= hash_table_size) {
            return &*area;
        }
        error_ = fmt::format("found {}, expected room of {} bytes for the hashes of a kernel: this "
                             "firmware verifies no kernel, use edk2's AmdSev build",
                             area && area->gpa != 0 ? fmt::format("{}", area->size) : "none",
                             hash_table_size);
        return nullptr;
    }

    void hash_page(const FirmwareSection& section, std::span<const u8> table) {
        const HashTableArea* const area = hash_area();
        if (area == nullptr) {
            return;
        }
        const u64 start = area->gpa;
        if (section.size != page_size || start < section.gpa
            || start + hash_table_size > u64{section.gpa} + section.size) {
            error_ = fmt::format("found kernel hashes at {:#x}, expected them within the one page "
                                 "of the section at {:#x}, which has {:#x} bytes",
                                 start, section.gpa, section.size);
            return;
        }
        auto& page = launch_.owned.emplace_back(page_size);
        std::ranges::copy(table, page.begin() + static_cast<std::ptrdiff_t>(start - section.gpa));
        launch_.steps.push_back(
            {.type = PageType::normal, .gpa = section.gpa, .data = page, .what = "kernel hashes"});
    }

    void hashes() {
        const auto& table = options_.hash_table;
        if (!table) {
            return;
        }
        if (const HashTableArea* const area = hash_area()) {
            launch_.steps.push_back({.type = PageType::normal,
                                     .gpa  = area->gpa,
                                     .data = launch_.owned.emplace_back(*table),
                                     .what = "kernel hashes"});
        }
    }

    void vcpus() {
        const u32 count = options_.launch.vcpus.value_or(1);
        if (count > 1 && !firmware_.reset_address) {
            error_ = "found no SEV-ES reset block, expected one: it says where vCPUs but the first "
                     "start";
            return;
        }
        const u32 ap_start = firmware_.reset_address.value_or(reset_vector);
        const u64 features =
            options_.launch.sev_features.value_or(snp_ ? x86::SevStatus::snp >> 2 : 0);
        launch_.steps.reserve(launch_.steps.size() + count);
        for (u32 vcpu = 0; vcpu < count; ++vcpu) {
            if (vcpu < 2) {
                const bool first = vcpu == 0;
                auto vmsa =
                    reset_vmsa(*vmm_.reset, {.start_address = first ? reset_vector : ap_start,
                                             .cpu_signature = options_.launch.cpu_signature,
                                             .sev_features  = features,
                                             .has_fpu       = first || vmm_.resets_ap_fpu});
                // The changes are no news here: nobody has asked for other values.
                pass_through(vmsa, vmm_.vmm, launch_.platform);
                auto& page = launch_.owned.emplace_back(sizeof(vmsa));
                std::memcpy(page.data(), &vmsa, sizeof(vmsa));
            }
            launch_.steps.push_back({.type = PageType::vmsa,
                                     .gpa  = x86::vmsa_gpa,
                                     .data = launch_.owned.back(),
                                     .what = "VMSA",
                                     .vcpu = vcpu});
        }
    }

    const Firmware& firmware_;
    const FirmwareLaunchOptions& options_;
    const VmmProfile& vmm_;
    bool snp_;
    Launch launch_;
    std::string error_;
};
} // namespace

std::expected<Launch, std::string> launch_of(const Firmware& firmware,
                                             const FirmwareLaunchOptions& options) {
    if (!options.launch.vmm.loads_firmware) {
        return std::unexpected(
            fmt::format("how {} launches a firmware is not known", options.launch.vmm.name));
    }
    return Composer(firmware, options).run();
}

} // namespace vestibule::igvm
