// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool session and secret: the owner of an SEV or SEV-ES guest makes a session for a platform,
// and gives the guest a secret once its measurement is the right one. File names as sevctl has
// them.
#include "igvm/measure/launch_digest.h"
#include "igvm/measure/sev_session.h"
#include "igvm/show/describe.h"
#include "igvm/tool/launch_arguments.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

#include <filesystem>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
struct SessionArguments {
    std::string pdh;
    std::string name;
    u32 policy = 5; // no debugging, SEV-ES
};

struct SecretArguments {
    LaunchArguments launch;
    std::string digest;
    std::string name;
    std::string measurement;
    std::string api;
    u32 policy = 5;
    std::vector<std::string> secrets;
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

std::vector<u8> bytes_or_fail(const std::string& path) {
    auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    return std::move(*bytes);
}

void write_or_fail(const std::string& path, std::span<const u8> bytes) {
    if (const auto written = write_file(path, bytes); !written) {
        throw Failure(written.error());
    }
}

void write_base64(const std::string& path, std::span<const u8> bytes) {
    const std::string text = to_base64(bytes) + "\n";
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    write_or_fail(path, {reinterpret_cast<const u8*>(text.data()), text.size()});
}

Key128 key_or_fail(const std::string& path) {
    const auto bytes = bytes_or_fail(path);
    if (bytes.size() != sizeof(Key128)) {
        throw Failure(
            fmt::format("{}: offset 0x0: found {} bytes, expected 16", path, bytes.size()));
    }
    return load<Key128>(bytes);
}

void make(const SessionArguments& arguments) {
    const auto made = make_session(bytes_or_fail(arguments.pdh), arguments.policy);
    if (!made) {
        throw Failure(fmt::format("{}: {}", arguments.pdh, made.error()));
    }
    // What a guest was launched with must not be gone.
    for (const char* end : {"_tik.bin", "_tek.bin"}) {
        std::error_code error;
        if (std::filesystem::exists(arguments.name + end, error)) {
            throw Failure(fmt::format("{}{}: is there already: keys are not written over, expected "
                                      "another --name",
                                      arguments.name, end));
        }
    }
    write_base64(arguments.name + "_godh.b64", bytes_of(made->godh));
    write_base64(arguments.name + "_session.b64", bytes_of(made->session));
    write_or_fail(arguments.name + "_tik.bin", made->keys.tik);
    write_or_fail(arguments.name + "_tek.bin", made->keys.tek);
    fmt::print("{0}_godh.b64, {0}_session.b64: for the host\n{0}_tik.bin, {0}_tek.bin: for you "
               "alone\n",
               arguments.name);
}

/// "GUID:FILE"
Secret secret_of(const std::string& text) {
    constexpr u64 guid_length = 36;
    bool good                 = text.size() > guid_length + 1 && text[guid_length] == ':';
    for (u64 at = 0; good && at < guid_length; ++at) {
        const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
        const char own  = text[at];
        good = dash ? own == '-' : (own >= '0' && own <= '9') || (own >= 'a' && own <= 'f');
    }
    if (!good) {
        throw CLI::ValidationError(
            "--secret",
            fmt::format("found {}, expected GUID:FILE, the GUID in lower-case digits", text));
    }
    char name[guid_length + 1]{};
    std::ranges::copy(text.substr(0, guid_length), name);
    return {.guid = guid(name), .bytes = bytes_or_fail(text.substr(guid_length + 1))};
}

std::vector<u8> digest_of(const SecretArguments& arguments) {
    if (!arguments.digest.empty()) {
        auto digest = from_hex_or_base64(arguments.digest, sizeof(Digest256));
        if (digest.empty()) {
            throw CLI::ValidationError(
                "--digest", fmt::format("found {}, expected 64 hexadecimal digits of SEV or SEV-ES",
                                        arguments.digest));
        }
        return digest;
    }
    LaunchArguments launch = arguments.launch;
    launch.platform        = launch.platform.empty() ? "sev-es" : launch.platform;
    const Subject subject(launch);
    if (subject.options().platform == PlatformType::sev_snp) {
        throw CLI::ValidationError("--platform", "LAUNCH_SECRET is for sev and sev-es");
    }
    const auto what = subject.launch(subject.options());
    if (!what) {
        throw Failure(fmt::format("{}: {}", subject.path(), what.error()));
    }
    return measure(*what, all_threads());
}

void give(const SecretArguments& arguments) {
    constexpr u64 measurement_size = sizeof(Digest256) + sizeof(Key128);
    const auto measured            = from_hex_or_base64(arguments.measurement, measurement_size);
    if (measured.empty()) {
        throw CLI::ValidationError("--measurement",
                                   fmt::format("found {}, expected the 48 bytes of LAUNCH_MEASURE "
                                               "in base64 or hexadecimal",
                                               arguments.measurement));
    }
    const auto measure = load<Digest256>(measured);
    const TransportKeys keys{.tek = key_or_fail(arguments.name + "_tek.bin"),
                             .tik = key_or_fail(arguments.name + "_tik.bin")};
    const ApiVersion api     = api_version_of(arguments.api);
    const auto digest        = digest_of(arguments);
    const Digest256 expected = launch_measure({.tik    = keys.tik,
                                               .mnonce = load<Key128>(measured, sizeof(Digest256)),
                                               .api_major = api.major,
                                               .api_minor = api.minor,
                                               .build     = api.build,
                                               .policy    = arguments.policy},
                                              digest);
    if (expected != measure) {
        throw Failure(fmt::format("--measurement: found {}, expected {} of a launch with digest "
                                  "{}: no secret is made for another",
                                  to_hex(measure), to_hex(expected), to_hex(digest)));
    }
    std::vector<Secret> secrets;
    for (const std::string& text : arguments.secrets) {
        secrets.push_back(secret_of(text));
    }
    const SecretPacket packet = make_secret(keys, secret_table(secrets), measure);
    write_base64(arguments.name + "_secret_header.b64", bytes_of(packet.header));
    write_base64(arguments.name + "_secret_payload.b64", packet.payload);
    fmt::print("the measurement is that of digest {0}\n{1}_secret_header.b64, "
               "{1}_secret_payload.b64: {2} secret{3} in {4} bytes, for this launch alone\n",
               to_hex(digest), arguments.name, secrets.size(), secrets.size() == 1 ? "" : "s",
               packet.payload.size());
}
} // namespace

void add_session(CLI::App& app) {
    auto session   = std::make_shared<SessionArguments>();
    CLI::App* verb = app.add_subcommand(
        "session", "SEV and SEV-ES: make the owner's session for a platform's LAUNCH_START");
    verb->add_option("--pdh", session->pdh,
                     "The platform's PDH certificate, 0x824 bytes, whose chain you have verified")
        ->required()
        ->type_name(cli::input_file);
    cli::add_number(*verb, "--policy", session->policy, "The guest's SEV policy");
    verb->add_option("--name", session->name,
                     "Writes NAME_godh.b64, NAME_session.b64, NAME_tik.bin and NAME_tek.bin")
        ->required();
    verb->footer("Example:\n  igvmtool session --pdh pdh.cert --name vm");
    verb->callback([session] { make(*session); });
}

void add_secret(CLI::App& app) {
    auto secret    = std::make_shared<SecretArguments>();
    CLI::App* verb = app.add_subcommand(
        "secret", "SEV and SEV-ES: check a measurement, and make a packet for LAUNCH_SECRET");
    add_launch_options(*verb, secret->launch);
    verb->add_option("--digest", secret->digest, "The launch digest instead of computing it");
    verb->add_option("--name", secret->name, "The session's: reads NAME_tik.bin and NAME_tek.bin")
        ->required();
    verb->add_option("--measurement", secret->measurement,
                     "LAUNCH_MEASURE's answer, as query-sev-launch-measure gives it")
        ->required();
    verb->add_option("--api", secret->api, "The secure processor's API version and build: 1.55.16")
        ->required();
    cli::add_number(*verb, "--policy", secret->policy, "The guest's SEV policy");
    verb->add_option("--secret", secret->secrets, "GUID:FILE, as often as you like")
        ->allow_extra_args(false)
        ->required();
    verb->footer(
        "Example:\n"
        "  igvmtool secret guest.igvm --name vm --api 1.55.16 --secret "
        "736869e5-84f0-4973-92ec-06879ce3da0b:disk.key --measurement $(igvmtool measure "
        "guest.igvm --platform sev-es --vmm qemu --tik vm_tik.bin --policy 5 --api 1.55.16 "
        "--nonce 00112233445566778899aabbccddeeff | sed -n 's/^measure *//p')"
        "00112233445566778899aabbccddeeff --vmm qemu");
    verb->callback([secret] { give(*secret); });
}

} // namespace vestibule::igvm
