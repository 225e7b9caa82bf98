// igvmtool verify: whether the firmware would take a file's ID block: signatures and launch digest.
// That the keys are those of the people one trusts is for the reader of their digests to say.
#include "igvm/measure/digest.h"
#include "igvm/measure/id_block.h"
#include "igvm/tool/digest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    std::string file;
    DigestOptions digest;
    bool json = false;
};

std::string key_digest(const SnpPublicKey& key) {
    const IdKey own = firmware_key(key);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return to_hex(sha384({reinterpret_cast<const u8*>(&own), sizeof(own)}));
}

void verify(const Arguments& arguments) {
    const OpenFile opened(arguments.file);
    const File& file = opened.file();
    const u32 mask   = file.mask_of(PlatformType::sev_snp);
    std::optional<Header> found;
    for (const Header header : file.directives(mask)) {
        if (mask != 0 && header.type == HeaderType::snp_id_block && !found) {
            found = header;
        }
    }
    if (!found) {
        throw Failure(fmt::format("{}: offset {:#x}: no SNP_ID_BLOCK found, expected one",
                                  arguments.file,
                                  file.fixed_header().common.variable_header_offset));
    }
    const auto block  = load<SnpIdBlock>(found->content);
    const auto policy = policy_of(file, mask);

    std::vector<std::string> faults = faults_of(block, policy.value_or(default_snp_policy));
    const auto digest               = snp_digest(arguments.file, file, arguments.digest);
    if (!std::ranges::equal(digest, block.ld)) {
        faults.push_back(fmt::format("the launch digest is {}, the block's is {}", to_hex(digest),
                                     to_hex(block.ld)));
    }
    const bool author = block.author_key_enabled != 0;
    if (arguments.json) {
        nlohmann::ordered_json object{
            {"file", arguments.file},
            {"valid", faults.empty()},
            {"launch_digest", to_hex(block.ld)},
            {"policy", fmt::format("{:#x}", policy.value_or(default_snp_policy))},
            {"guest_svn", block.guest_svn},
            {"family_id", to_hex(block.family_id)},
            {"image_id", to_hex(block.image_id)},
            {"id_key_digest", key_digest(block.id_public_key)},
            {"faults", faults},
        };
        if (author) {
            object["author_key_digest"] = key_digest(block.author_public_key);
        }
        fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        fmt::print("{}: launch digest {}\n  ID key digest {}\n", arguments.file, to_hex(block.ld),
                   key_digest(block.id_public_key));
        if (author) {
            fmt::print("  author key digest {}\n", key_digest(block.author_public_key));
        }
        for (const std::string& fault : faults) {
            fmt::print("  wrong: {}\n", fault);
        }
        fmt::print("{}\n", faults.empty() ? "valid" : "not valid");
    }
    if (!faults.empty()) {
        throw Failure(fmt::format("{}: offset {:#x} (header {}): the ID block is not valid",
                                  arguments.file, found->offset, found->index));
    }
}
} // namespace

void add_verify(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb =
        app.add_subcommand("verify", "Say whether a file's SNP ID block is right for the file");
    verb->add_option("file", arguments->file, "A signed IGVM file")->required();
    add_digest_options(*verb, arguments->digest);
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n  igvmtool verify signed.igvm\n"
                 "Exit status: 0 valid, 1 not valid or the work failed, 2 wrong use.");
    verb->callback([arguments] { verify(*arguments); });
}

} // namespace vestibule::igvm
