// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool verify: whether the firmware would take an ID block: signatures and launch digest; and
// whether a report is of a guest with it.
// That the keys are those of the people one trusts is for the reader of their digests to say.
#include "cli/json.h"
#include "igvm/measure/attestation_report.h"
#include "igvm/measure/id_block.h"
#include "igvm/tool/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    DigestOptions digest;
    std::string id_block;
    std::string id_auth;
    std::string report;
    bool json = false;
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

Digest384 key_digest(const SnpPublicKey& key) {
    const IdKey own = firmware_key(key);
    return sha384(bytes_of(own));
}

/// A block, and where it was found.
struct Found {
    SnpIdBlock block;
    u64 policy;
    std::string where;
};

Found block_of_file(const std::string& path) {
    const OpenFile opened(path);
    const File& file = opened.file();
    const u32 mask   = file.mask_of(PlatformType::sev_snp);
    for (const Header header : file.directives(mask)) {
        if (mask != 0 && header.type == HeaderType::snp_id_block) {
            return {.block  = load<SnpIdBlock>(header.content),
                    .policy = policy_of(file, mask).value_or(default_snp_policy),
                    .where  = fmt::format("{}: offset {:#x} (header {})", path, header.offset,
                                          header.index)};
        }
    }
    throw Failure(fmt::format("{}: offset {:#x}: no SNP_ID_BLOCK found, expected one", path,
                              file.fixed_header().common.variable_header_offset));
}

/// As QEMU's options id-block and id-auth have it.
Found block_of_options(const Arguments& arguments) {
    const auto block =
        load<IdBlock>(bytes_of_option("--id-block", arguments.id_block, sizeof(IdBlock)));
    const auto auth = load<IdAuth>(bytes_of_option("--id-auth", arguments.id_auth, sizeof(IdAuth)));
    return {.block = block_of(block, auth), .policy = block.policy, .where = "--id-block"};
}

/// A guest with this block, as its report shows it.
void compare_report(const Arguments& arguments, const Found& found,
                    std::vector<std::string>& faults) {
    const auto bytes = read_file(arguments.report);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    const auto report = read_report(*bytes);
    if (!report) {
        throw Failure(fmt::format("{}: offset {:#x}: found {:#x}, expected {}", arguments.report,
                                  report.error().offset, report.error().found,
                                  report.error().expected));
    }
    const auto compare = [&](std::string_view name, std::span<const u8> own,
                             std::span<const u8> wanted) {
        if (!std::ranges::equal(own, wanted)) {
            faults.push_back(fmt::format("the report's {} is {}, the block's is {}", name,
                                         to_hex(own), to_hex(wanted)));
        }
    };
    const SnpIdBlock& block = found.block;
    const bool author       = block.author_key_enabled != 0;
    compare("measurement", report->measurement, block.ld);
    compare("family ID", report->family_id, block.family_id);
    compare("image ID", report->image_id, block.image_id);
    compare("ID key digest", report->id_key_digest, key_digest(block.id_public_key));
    compare("author key digest", report->author_key_digest,
            author ? key_digest(block.author_public_key) : Digest384{});
    const auto compare_number = [&](std::string_view name, u64 own, u64 wanted) {
        if (own != wanted) {
            faults.push_back(
                fmt::format("the report's {} is {:#x}, the block's is {:#x}", name, own, wanted));
        }
    };
    compare_number("policy", report->policy, found.policy);
    compare_number("guest SVN", report->guest_svn, block.guest_svn);
}

void print(const Arguments& arguments, const Found& found, const std::vector<std::string>& faults) {
    const SnpIdBlock& block = found.block;
    const bool author       = block.author_key_enabled != 0;
    const std::string& file = arguments.digest.launch.file;
    const std::string& name = file.empty() ? found.where : file;
    if (arguments.json) {
        cli::Json object        = cli::json_output("verify");
        object["file"]          = file.empty() ? cli::Json() : cli::Json(file);
        object["valid"]         = faults.empty();
        object["launch_digest"] = to_hex(block.ld);
        object["policy"]        = fmt::format("{:#x}", found.policy);
        object["guest_svn"]     = block.guest_svn;
        object["family_id"]     = to_hex(block.family_id);
        object["image_id"]      = to_hex(block.image_id);
        object["id_key_digest"] = to_hex(key_digest(block.id_public_key));
        object["faults"]        = faults;
        if (author) {
            object["author_key_digest"] = to_hex(key_digest(block.author_public_key));
        }
        fmt::print("{}", cli::json_text(object));
        return;
    }
    fmt::print("{}: launch digest {}\n  ID key digest {}\n", name, to_hex(block.ld),
               to_hex(key_digest(block.id_public_key)));
    if (author) {
        fmt::print("  author key digest {}\n", to_hex(key_digest(block.author_public_key)));
    }
    for (const std::string& fault : faults) {
        fmt::print("  wrong: {}\n", fault);
    }
    fmt::print("{}\n", faults.empty() ? "valid" : "not valid");
}

void verify(const Arguments& arguments) {
    const LaunchArguments& launch = arguments.digest.launch;
    if (launch.file.empty() && arguments.id_block.empty()) {
        throw CLI::RequiredError("An IGVM file, or --id-block,");
    }
    const Found found =
        arguments.id_block.empty() ? block_of_file(launch.file) : block_of_options(arguments);
    std::vector<std::string> faults = faults_of(found.block, found.policy);
    const bool is_known =
        !launch.file.empty() || !launch.firmware.empty() || !arguments.digest.digest.empty();
    if (is_known) {
        const auto digest = snp_digest(arguments.digest);
        if (!std::ranges::equal(digest, found.block.ld)) {
            faults.push_back(fmt::format("the launch digest is {}, the block's is {}",
                                         to_hex(digest), to_hex(found.block.ld)));
        }
    }
    if (!arguments.report.empty()) {
        compare_report(arguments, found, faults);
    }
    print(arguments, found, faults);
    if (!faults.empty()) {
        throw Failure(fmt::format("{}: the ID block is not valid", found.where));
    }
}
} // namespace

void add_verify(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb =
        app.add_subcommand("verify", "Say whether an SNP ID block is right for its launch");
    add_digest_options(*verb, arguments->digest);
    auto* block = verb->add_option("--id-block", arguments->id_block,
                                   "The block of a launch without IGVM file, as QEMU takes it");
    auto* auth  = verb->add_option("--id-auth", arguments->id_auth, "Its signatures and keys");
    block->needs(auth);
    auth->needs(block);
    verb->add_option("--report", arguments->report,
                     "An attestation report: whether it is of a guest with this block")
        ->type_name(cli::input_file);
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n  igvmtool verify signed.igvm\n"
                 "Exit status: 0 valid, 1 not valid or the work failed, 2 wrong use.");
    verb->callback([arguments] { verify(*arguments); });
}

} // namespace vestibule::igvm
