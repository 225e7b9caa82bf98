// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/snp_launch.h"

#include "igvm/format/guest_policy.h"
#include "igvm/format/reader.h"
#include "igvm/measure/digest.h"
#include "igvm/measure/id_block.h"
#include "igvm/show/describe.h"
#include "sevsim/certificates.h"
#include "sevsim/measured_launch.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <optional>
#include <span>
#include <string_view>

namespace vestibule::sevsim {

namespace {

using Result = std::expected<void, std::string>;

std::span<const u8> bytes_of(const std::string& text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

/// Secrets of one run. A run that is to be the same every time has the same ones every time.
class Secrets {
  public:
    explicit Secrets(bool repeatable) : repeatable_{repeatable} {}

    void fill(std::span<u8> bytes, std::string_view purpose) {
        if (repeatable_) {
            const std::string text    = fmt::format("sevsim --repeatable: {}", purpose);
            const igvm::Digest384 all = igvm::sha384(bytes_of(text));
            std::ranges::copy(std::span{all}.first(bytes.size()), bytes.begin());
        } else {
            failed_ |= RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1;
        }
    }

    /// The host has no random numbers.
    bool failed() const { return failed_; }

  private:
    bool repeatable_;
    bool failed_ = false;
};

/// What SNP_LAUNCH_START makes of a policy (firmware ABI, section 4.3).
Result check_policy(const RunOptions& options, u64 policy) {
    struct Row {
        u64 mask;
        u64 wanted;
        const char* why;
    };

    constexpr u64 firmware_minor = 55;
    const u64 abi_minor          = policy & 0xFF;
    const u64 abi_major          = policy >> 8 & 0xFF;
    namespace known              = igvm::snp_policy;
    constexpr Row rows[]         = {
        {known::reserved_one, known::reserved_one, "bit 17 is reserved and must be one"                                        },
        {~known::defined,     0,                   "reserved bits are not zero"                                                },
        {known::migrate_ma,   0,                   "it wants a migration agent, and there is none"                             },
        {bit(22),             0,                   "it wants memory encrypted by AES-256-XTS, and this memory is not encrypted"},
        {bit(23),             0,                   "it wants RAPL off, which this machine does not know"                       },
        {bit(24),             0,                   "it wants ciphertext hidden, and there is none"                             },
    };
    for (const Row& row : rows) {
        if ((policy & row.mask) != row.wanted) {
            return std::unexpected(fmt::format("{}: SNP_LAUNCH_START refuses policy {:#x} "
                                               "(POLICY_FAILURE): {}",
                                               options.file, policy, row.why));
        }
    }
    if (abi_major > 1 || (abi_major == 1 && abi_minor > firmware_minor)) {
        return std::unexpected(fmt::format("{}: SNP_LAUNCH_START refuses policy {:#x} "
                                           "(POLICY_FAILURE): it wants firmware ABI {}.{}, and "
                                           "this is 1.{}",
                                           options.file, policy, abi_major, abi_minor,
                                           firmware_minor));
    }
    return {};
}

/// SNP_LAUNCH_FINISH with an ID block.
Result take_identity(const igvm::SnpIdBlock& block, const std::string& path, LaunchModule& module) {
    const auto faults = igvm::faults_of(block, module.policy);
    if (!faults.empty()) {
        return std::unexpected(fmt::format("{}: SNP_LAUNCH_FINISH refuses its ID block "
                                           "(BAD_SIGNATURE): {}",
                                           path, faults.front()));
    }
    if (!std::ranges::equal(block.ld, module.measurement)) {
        return std::unexpected(fmt::format("{}: SNP_LAUNCH_FINISH refuses its ID block "
                                           "(BAD_MEASUREMENT): it is for the launch digest {}, and "
                                           "this launch has {}",
                                           path, igvm::to_hex(block.ld),
                                           igvm::to_hex(module.measurement)));
    }
    LaunchIdentity& identity = module.identity;
    const auto digest_of     = [](const igvm::SnpPublicKey& key) {
        const igvm::IdKey laid_out = igvm::firmware_key(key);
        return igvm::sha384({reinterpret_cast<const u8*>(&laid_out), sizeof laid_out});
    };
    std::ranges::copy(block.family_id, identity.family_id);
    std::ranges::copy(block.image_id, identity.image_id);
    std::ranges::copy(digest_of(block.id_public_key), identity.id_key_digest);
    identity.guest_svn = block.guest_svn;
    if (block.author_key_enabled != 0) {
        identity.has_author_key = 1;
        std::ranges::copy(digest_of(block.author_public_key), identity.author_key_digest);
    }
    return {};
}

Result launch_igvm(const RunOptions& options, const std::string& content, LaunchModule& module) {
    const auto file = igvm::parse(bytes_of(content));
    if (!file) {
        return std::unexpected(fmt::format("{}: {}", options.file, igvm::describe(file.error())));
    }
    const u32 mask = file->mask_of(igvm::PlatformType::sev_snp);
    if (mask == 0) {
        return std::unexpected(
            fmt::format("{}: the file is not for the SEV_SNP platform", options.file));
    }
    module.policy = igvm::policy_of(*file, mask).value_or(igvm::default_snp_policy);
    for (const igvm::Header header : file->directives(mask)) {
        if (const auto block = header.as<igvm::SnpIdBlock>()) {
            return take_identity(*block, options.file, module);
        }
    }
    return {};
}

Result launch_firmware(const RunOptions& options, const std::string& content,
                       LaunchModule& module) {
    const std::string launched = launched_firmware(options, content);
    const auto firmware        = parse_guest_firmware(launched, options.file);
    if (!firmware) {
        return std::unexpected(firmware.error());
    }
    const std::optional<std::vector<igvm::FirmwareSection>>& sections = firmware->sections;
    if (!sections) {
        return std::unexpected(
            fmt::format("{}: no SEV metadata (GUID dc886566-984a-4798-a75e-5585a7bf67cc): this "
                        "firmware is not made for SEV-SNP",
                        options.file));
    }
    constexpr std::size_t most = std::size(LaunchModule{}.sections);
    if (sections->size() > most) {
        return std::unexpected(fmt::format("{}: {} sections in its SEV metadata; expected {} at "
                                           "most",
                                           options.file, sections->size(), most));
    }
    for (const igvm::FirmwareSection& section : *sections) {
        if (section.gpa % page_size != 0 || section.size % page_size != 0) {
            return std::unexpected(fmt::format("{}: its SEV metadata have a section of {:#x} bytes "
                                               "at {:#x}; expected whole pages",
                                               options.file, section.size, section.gpa));
        }
        module.sections[module.section_count++] = {
            .gpa = section.gpa, .size = section.size, .type = static_cast<u32>(section.type)};
    }
    return {};
}

Result launch(const RunOptions& options, const std::vector<OpenedFile>& files,
              LaunchModule& module) {
    const auto digest = measured_launch(options, files);
    if (!digest) {
        return std::unexpected(digest.error());
    }
    std::ranges::copy(*digest, module.measurement);
    switch (options.kind) {
    case GuestKind::igvm: return launch_igvm(options, read_file(files.front()), module);
    case GuestKind::firmware: return launch_firmware(options, read_file(files.front()), module);
    case GuestKind::kernel: return {};
    }
    return {};
}

} // namespace

std::expected<std::vector<u8>, std::string> launch_module(const RunOptions& options,
                                                          const std::vector<OpenedFile>& files) {
    LaunchModule module{};
    module.policy           = igvm::default_snp_policy;
    module.tcb              = chip_tcb;
    module.report_version   = options.report_version;
    module.signing_key_kind = options.vlek ? SigningKey::vlek : SigningKey::vcek;
    std::ranges::copy(chip_id(), module.chip_id);
    std::ranges::copy(options.host_data, module.host_data);
    Secrets secrets{options.repeatable};
    for (unsigned n = 0; n < std::size(module.vmpck); ++n) {
        secrets.fill(module.vmpck[n], fmt::format("VMPCK{}", n));
    }
    secrets.fill(module.report_id, "report ID");
    if (auto launched = launch(options, files, module); !launched) {
        return std::unexpected(launched.error());
    }
    if (auto checked = check_policy(options, module.policy); !checked) {
        return std::unexpected(checked.error());
    }
    const ChipFacts chip{.kind = module.signing_key_kind, .chip_id = chip_id(), .tcb = module.tcb};
    const auto chain = options.root.empty() ? make_chain(chip) : read_root(options.root, chip);
    if (!chain) {
        return std::unexpected(chain.error());
    }
    std::ranges::copy(chain->key, module.signing_key);
    // Derived keys are the chip's: the same in every run with the same root.
    std::ranges::copy(igvm::sha384(chain->key), module.root_secret);
    const std::vector<u8> table = certificate_table(*chain, module.signing_key_kind);
    module.certificates_size    = static_cast<u32>(table.size());
    if (secrets.failed()) {
        return std::unexpected(std::string{"the host has no random numbers"});
    }
    std::vector<u8> bytes(sizeof module + table.size());
    std::memcpy(bytes.data(), &module, sizeof module);
    std::ranges::copy(table, bytes.begin() + sizeof module);
    return bytes;
}

std::string launch_digest(const std::vector<u8>& module) {
    LaunchModule read;
    std::memcpy(&read, module.data(), sizeof read);
    return igvm::to_hex(read.measurement);
}

} // namespace vestibule::sevsim
