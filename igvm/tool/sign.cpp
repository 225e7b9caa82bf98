// igvmtool sign: an SNP ID block with its signatures, put into a copy of the file.
#include "igvm/measure/digest.h"
#include "igvm/measure/id_block.h"
#include "igvm/show/describe.h"
#include "igvm/tool/digest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    std::string file;
    std::string id_key;
    std::string author_key;
    std::string out;
    DigestOptions digest;
    std::string family_id = std::string(32, '0');
    std::string image_id  = std::string(32, '0');
    u32 block_version     = 1;
    u32 guest_svn         = 0;
    std::optional<u64> policy;
    bool json = false;
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

/// As QEMU's sev-snp-guest wants id-block and id-auth.
std::string base64(std::span<const u8> bytes) {
    std::vector<u8> text((bytes.size() + 2) / 3 * 4 + 1);
    const int length = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
    return {text.begin(), text.begin() + length};
}

PrivateKey key_or_fail(const std::string& path) {
    auto key = PrivateKey::read(path);
    if (!key) {
        throw Failure(key.error());
    }
    return std::move(*key);
}

void print(const Arguments& arguments, const SnpIdBlock& block, u64 policy) {
    const IdBlock message = firmware_block(block, policy);
    const std::string id  = to_hex(sha384(bytes_of(firmware_key(block.id_public_key))));
    const bool author     = block.author_key_enabled != 0;
    const std::string author_digest =
        author ? to_hex(sha384(bytes_of(firmware_key(block.author_public_key)))) : "";
    if (!arguments.json) {
        fmt::print("{}: launch digest {}\n  policy {:#x}, guest SVN {}\n  ID key digest {}\n",
                   arguments.out, to_hex(block.ld), policy, block.guest_svn, id);
        if (author) {
            fmt::print("  author key digest {}\n", author_digest);
        }
        return;
    }
    nlohmann::ordered_json object{
        {"file", arguments.out},
        {"launch_digest", to_hex(block.ld)},
        {"policy", fmt::format("{:#x}", policy)},
        {"guest_svn", block.guest_svn},
        {"id_key_digest", id},
        {"id_block", base64(bytes_of(message))},
        {"id_auth", base64(bytes_of(firmware_auth(block)))},
    };
    if (author) {
        object["author_key_digest"] = author_digest;
    }
    fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void sign_file(const Arguments& arguments) {
    const auto family = bytes_of_option("--family-id", arguments.family_id, 16);
    const auto image  = bytes_of_option("--image-id", arguments.image_id, 16);
    const OpenFile opened(arguments.file);
    const File& file = opened.file();
    SnpIdBlock block{};
    block.compatibility_mask = file.mask_of(PlatformType::sev_snp);
    if (block.compatibility_mask == 0) {
        throw Failure(fmt::format("{}: offset {:#x}: no platform SEV_SNP found, expected one: "
                                  "an ID block is for nothing else",
                                  arguments.file,
                                  file.fixed_header().common.variable_header_offset));
    }
    const u64 policy = arguments.policy.value_or(
        policy_of(file, block.compatibility_mask).value_or(default_snp_policy));
    block.version   = arguments.block_version;
    block.guest_svn = arguments.guest_svn;
    std::ranges::copy(family, block.family_id);
    std::ranges::copy(image, block.image_id);

    // The digest of what is written: the policy is not in it, and the ID block is not either.
    std::ranges::copy(snp_digest(arguments.file, file, arguments.digest), block.ld);
    const PrivateKey id_key = key_or_fail(arguments.id_key);
    std::optional<PrivateKey> author_key;
    if (!arguments.author_key.empty()) {
        author_key = key_or_fail(arguments.author_key);
    }
    sign(block, policy, id_key, author_key ? &*author_key : nullptr);

    const auto bytes = with_id_block(file, block, policy);
    if (!bytes) {
        throw Failure(fmt::format("{}: {}", arguments.out, describe(bytes.error())));
    }
    if (const auto written = write_file(arguments.out, *bytes); !written) {
        throw Failure(written.error());
    }
    print(arguments, block, policy);
}
} // namespace

void add_sign(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand(
        "sign", "Put an SNP ID block into a file, which ties it to its launch digest and to a key");
    verb->add_option("file", arguments->file, "An IGVM file for SEV-SNP")->required();
    verb->add_option("--id-key", arguments->id_key,
                     "PEM file of a private P-384 key: signs the block")
        ->required();
    verb->add_option("--author-key", arguments->author_key,
                     "PEM file of a private P-384 key: signs the ID key");
    verb->add_option("--out", arguments->out, "The file to write")->required();
    add_digest_options(*verb, arguments->digest);
    verb->add_option("--family-id", arguments->family_id, "32 hexadecimal digits of your choice");
    verb->add_option("--image-id", arguments->image_id, "32 hexadecimal digits of your choice");
    verb->add_option("--block-version", arguments->block_version, "The ID block's version field")
        ->capture_default_str();
    verb->add_option("--guest-svn", arguments->guest_svn, "Security version of the guest")
        ->capture_default_str();
    verb->add_option("--policy", arguments->policy,
                     "Guest policy to sign and to write [the file's, or 0x30000]");
    verb->add_flag("--json", arguments->json,
                   "One JSON object, with ID block and ID auth as QEMU takes them (base64)");
    verb->footer(
        "Example:\n"
        "  openssl ecparam -name secp384r1 -genkey -noout -out id.pem\n"
        "  openssl ecparam -name secp384r1 -genkey -noout -out author.pem\n"
        "  igvmtool sign snp.igvm --id-key id.pem --author-key author.pem --out signed.igvm");
    verb->callback([arguments] { sign_file(*arguments); });
}

} // namespace vestibule::igvm
