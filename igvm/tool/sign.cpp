// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool sign: an SNP ID block with its signatures, put into a copy of the file.
#include "cli/json.h"
#include "igvm/measure/digest.h"
#include "igvm/measure/id_block.h"
#include "igvm/show/describe.h"
#include "igvm/tool/digest.h"
#include "igvm/vmm/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    DigestOptions digest;
    std::string id_key;
    std::string id_public_key;
    std::string signature;
    std::string to_be_signed;
    std::string author_key;
    std::string author_public_key;
    std::string author_signature;
    std::string author_to_be_signed;
    std::string out;
    std::string family_id = std::string(32, '0');
    std::string image_id  = std::string(32, '0');
    u32 block_version     = 1;
    u32 guest_svn         = 0;
    std::string policy;
    bool json = false;
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
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
    const std::string& name =
        arguments.out.empty() ? arguments.digest.launch.firmware : arguments.out;
    if (!arguments.json) {
        fmt::print("{}: launch digest {}\n  policy {:#x}, guest SVN {}\n  ID key digest {}\n",
                   name.empty() ? "the digest's block" : name, to_hex(block.ld), policy,
                   block.guest_svn, id);
        if (author) {
            fmt::print("  author key digest {}\n", author_digest);
        }
        if (arguments.out.empty()) {
            fmt::print("  -object sev-snp-guest,...,policy={:#x},id-block={},id-auth={}\n", policy,
                       to_base64(bytes_of(message)), to_base64(bytes_of(firmware_auth(block))));
        }
        return;
    }
    cli::Json object        = cli::json_output("sign");
    object["file"]          = name.empty() ? cli::Json() : cli::Json(name);
    object["launch_digest"] = to_hex(block.ld);
    object["policy"]        = fmt::format("{:#x}", policy);
    object["guest_svn"]     = block.guest_svn;
    object["family_id"]     = to_hex(block.family_id);
    object["image_id"]      = to_hex(block.image_id);
    object["id_key_digest"] = id;
    object["id_block"]      = to_base64(bytes_of(message));
    object["id_auth"]       = to_base64(bytes_of(firmware_auth(block)));
    if (author) {
        object["author_key_digest"] = author_digest;
    }
    fmt::print("{}", cli::json_text(object));
}

void write_or_fail(const std::string& path, std::span<const u8> bytes) {
    if (const auto written = write_file(path, bytes); !written) {
        throw Failure(written.error());
    }
}

SnpPublicKey public_key_or_fail(const std::string& path) {
    const auto key = read_public_key(path);
    if (!key) {
        throw Failure(key.error());
    }
    return *key;
}

SnpSignature signature_or_fail(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    const auto signature = read_signature(*bytes);
    if (!signature) {
        throw Failure(fmt::format("{}: offset 0x0: found {} bytes, expected an ECDSA signature in "
                                  "DER, or R and S of 48 bytes each",
                                  path, bytes->size()));
    }
    return *signature;
}

/// By keys that are here, or by what was signed elsewhere. False where there is yet to be signed.
bool sign_block(const Arguments& arguments, SnpIdBlock& block, u64 policy) {
    if (!arguments.to_be_signed.empty()) {
        write_or_fail(arguments.to_be_signed, bytes_of(firmware_block(block, policy)));
        return false;
    }
    if (!arguments.id_key.empty()) {
        const PrivateKey id_key = key_or_fail(arguments.id_key);
        std::optional<PrivateKey> author_key;
        if (!arguments.author_key.empty()) {
            author_key = key_or_fail(arguments.author_key);
        }
        sign(block, policy, id_key, author_key ? &*author_key : nullptr);
    } else {
        block.id_key_algorithm = ecdsa_p384_sha384;
        block.id_public_key    = public_key_or_fail(arguments.id_public_key);
    }
    if (!arguments.author_to_be_signed.empty()) {
        write_or_fail(arguments.author_to_be_signed, bytes_of(firmware_key(block.id_public_key)));
        return false;
    }
    if (arguments.id_key.empty()) {
        if (arguments.signature.empty()) {
            throw CLI::RequiredError("--signature");
        }
        block.id_key_signature = signature_or_fail(arguments.signature);
    }
    if (!arguments.author_signature.empty()) {
        block.author_key_enabled   = 1;
        block.author_key_algorithm = ecdsa_p384_sha384;
        block.author_public_key    = public_key_or_fail(arguments.author_public_key);
        block.author_key_signature = signature_or_fail(arguments.author_signature);
    }
    const auto faults = faults_of(block, policy);
    if (!faults.empty()) {
        throw Failure(fmt::format("{}: {}: expected what it has signed of this digest, policy and "
                                  "these IDs",
                                  arguments.signature, faults.front()));
    }
    return true;
}

u64 policy_to_sign(const Arguments& arguments, const File* file, u32 mask) {
    if (arguments.policy.empty()) {
        return (file != nullptr ? policy_of(*file, mask) : std::nullopt)
            .value_or(default_snp_policy);
    }
    const auto policy = snp_policy_of(arguments.policy);
    if (!policy) {
        throw CLI::ValidationError("--policy", policy.error());
    }
    return *policy;
}

void check_version(const Arguments& arguments) {
    const VmmProfile& vmm = monitor_of(arguments.digest);
    if (arguments.block_version != 1 && row_of(VmmRule::id_block_version).vmms.has(vmm.vmm)) {
        throw CLI::ValidationError(
            "--block-version",
            fmt::format("found {}, expected 1: {} gives the firmware no other, over which the "
                        "signature would not hold",
                        arguments.block_version, vmm.name));
    }
}

void sign_file(const Arguments& arguments) {
    const auto family       = bytes_of_option("--family-id", arguments.family_id, 16);
    const auto image        = bytes_of_option("--image-id", arguments.image_id, 16);
    const std::string& path = arguments.digest.launch.file;
    const bool without_key  = arguments.id_key.empty() && arguments.id_public_key.empty();
    if (without_key && arguments.to_be_signed.empty()) {
        throw CLI::RequiredError("--id-key, or --id-public-key with --signature,");
    }
    check_version(arguments);
    std::optional<OpenFile> opened;
    SnpIdBlock block{};
    if (!path.empty()) {
        opened.emplace(path);
        block.compatibility_mask = opened->file().mask_of(PlatformType::sev_snp);
        if (block.compatibility_mask == 0) {
            throw Failure(fmt::format("{}: offset {:#x}: no platform SEV_SNP found, expected one: "
                                      "an ID block is for nothing else",
                                      path,
                                      opened->file().fixed_header().common.variable_header_offset));
        }
        const bool complete =
            arguments.to_be_signed.empty() && arguments.author_to_be_signed.empty();
        if (complete && arguments.out.empty()) {
            throw CLI::RequiredError("--out");
        }
    } else if (!arguments.out.empty()) {
        throw CLI::ValidationError("--out", "there is no IGVM file to put the block into");
    }
    const File* const file = opened ? &opened->file() : nullptr;
    const u64 policy       = policy_to_sign(arguments, file, block.compatibility_mask);
    block.version          = arguments.block_version;
    block.guest_svn        = arguments.guest_svn;
    std::ranges::copy(family, block.family_id);
    std::ranges::copy(image, block.image_id);

    // The digest of what is written: the policy is not in it, and the ID block is not either.
    std::ranges::copy(snp_digest(arguments.digest), block.ld);
    if (!sign_block(arguments, block, policy)) {
        return;
    }
    if (file != nullptr) {
        const auto bytes = with_id_block(*file, block, policy);
        if (!bytes) {
            throw Failure(fmt::format("{}: {}", arguments.out, describe(bytes.error())));
        }
        write_or_fail(arguments.out, *bytes);
    }
    print(arguments, block, policy);
}
} // namespace

void add_sign(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand(
        "sign",
        "Make an SNP ID block, which ties a launch digest to a key, and put it into an IGVM file");
    add_digest_options(*verb, arguments->digest);
    auto* id_key = verb->add_option("--id-key", arguments->id_key,
                                    "PEM file of a private P-384 key: signs the block")
                       ->type_name(cli::input_file);
    auto* id_public =
        verb->add_option("--id-public-key", arguments->id_public_key,
                         "PEM file of its public key, where the private one is in a module")
            ->excludes(id_key)
            ->type_name(cli::input_file);
    verb->add_option("--to-be-signed", arguments->to_be_signed,
                     "Write what the ID key has to sign (ECDSA, SHA-384), and sign nothing")
        ->excludes(id_key)
        ->type_name(cli::output_or_stdout);
    verb->add_option("--signature", arguments->signature,
                     "What it has signed: DER, or R and S of 48 bytes each")
        ->needs(id_public)
        ->type_name(cli::input_file);
    auto* author_key = verb->add_option("--author-key", arguments->author_key,
                                        "PEM file of a private P-384 key: signs the ID key")
                           ->needs(id_key)
                           ->type_name(cli::input_file);
    auto* author_public = verb->add_option("--author-public-key", arguments->author_public_key,
                                           "PEM file of its public key, likewise")
                              ->excludes(author_key)
                              ->type_name(cli::input_file);
    verb->add_option("--author-to-be-signed", arguments->author_to_be_signed,
                     "Write what the author key has to sign, and sign nothing")
        ->type_name(cli::output_or_stdout);
    verb->add_option("--author-signature", arguments->author_signature, "What it has signed")
        ->needs(author_public)
        ->type_name(cli::input_file);
    verb->add_option(cli::words::output, arguments->out,
                     "The IGVM file to write, where there is one")
        ->type_name(cli::output_file);
    verb->add_option("--family-id", arguments->family_id, "32 hexadecimal digits of your choice");
    verb->add_option("--image-id", arguments->image_id, "32 hexadecimal digits of your choice");
    cli::add_number(*verb, "--block-version", arguments->block_version,
                    "The ID block's version field");
    cli::add_number(*verb, "--guest-svn", arguments->guest_svn, "Security version of the guest");
    verb->add_option("--policy", arguments->policy,
                     "Guest policy to sign and to write, a number or words [the file's, or "
                     "0x30000]");
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
