// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/sev_launch.h"

#include "igvm/format/hex.h"
#include "igvm/format/reader.h"
#include "igvm/measure/launch_digest.h"
#include "sevsim/launch_module.h"
#include "sevsim/measured_launch.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <openssl/rand.h>
#include <optional>
#include <string_view>
#include <thread>

namespace vestibule::sevsim {

namespace {

std::unexpected<std::string> file_error(const std::string& path, std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", path, what));
}

/// The bytes of a file in base64; empty where there is none, or something else is in it.
std::vector<u8> read_base64(const std::string& path) {
    constexpr std::size_t most = std::size_t{1} << 20;
    std::ifstream file{path, std::ios::binary};
    std::string text;
    text.reserve(page_size);
    for (char character = 0; text.size() <= most && file.get(character);) {
        if (character != '\n' && character != '\r') {
            text.push_back(character);
        }
    }
    return igvm::from_base64(text);
}

template <class T>
std::expected<T, std::string> read_structure(const std::string& path, std::string_view what) {
    const std::vector<u8> bytes = read_base64(path);
    if (bytes.size() != sizeof(T)) {
        return file_error(path, fmt::format("found {} bytes in base64, expected {}, {}",
                                            bytes.size(), sizeof(T), what));
    }
    return igvm::load<T>(bytes);
}

/// LAUNCH_START's look at the policy (SEV API specification, chapter 3).
std::expected<void, std::string> check_policy(const RunOptions& options) {
    constexpr u32 wants_es = 1u << 2;
    constexpr u32 reserved = 0xFFC0;
    const u32 policy       = options.sev_policy;
    const u32 major        = policy >> 16 & 0xFF;
    const u32 minor        = policy >> 24;
    const auto refuse      = [&](std::string_view why) {
        return std::unexpected(fmt::format("{}: LAUNCH_START refuses policy {:#x} "
                                                     "(POLICY_FAILURE): {}",
                                                options.file, policy, why));
    };
    if ((policy & reserved) != 0) {
        return refuse("reserved bits are not zero");
    }
    if ((policy & wants_es) != 0 && options.platform != "sev-es") {
        return refuse("bit 2 wants SEV-ES (--platform sev-es)");
    }
    if (major > sev_api_major || (major == sev_api_major && minor > sev_api_minor)) {
        return refuse(fmt::format("it wants API {}.{}, and this is {}.{}", major, minor,
                                  sev_api_major, sev_api_minor));
    }
    return {};
}

/// Where the secret goes, and how much of it.
std::expected<void, std::string> find_secret_area(const RunOptions& options,
                                                  const std::vector<OpenedFile>& files,
                                                  SevLaunch& launch) {
    constexpr u64 most = u64{16} * 1024; // of one LAUNCH_SECRET
    launch.secret_room = most;
    if (options.secret_gpa) {
        launch.secret_gpa = *options.secret_gpa;
        return {};
    }
    if (options.kind != GuestKind::firmware) {
        return file_error(options.file, "only firmware says where its secret goes: expected "
                                        "--secret-at GPA");
    }
    const std::string content = read_file(files.front());
    const auto firmware       = parse_guest_firmware(content, options.file);
    if (!firmware) {
        return std::unexpected(firmware.error());
    }
    const std::optional<igvm::SecretArea>& area = firmware->secret_area;
    if (!area) {
        return file_error(options.file,
                          "no place for secrets (GUID 4c2eb361-7d9b-4cc3-8081-127c90d3d294): "
                          "expected --secret-at GPA, or OVMF's AmdSev build");
    }
    launch.secret_gpa  = area->gpa;
    launch.secret_room = std::min<u64>(most, area->size);
    return {};
}

/// One that is the same every time where the run is.
bool fill_nonce(const RunOptions& options, std::array<u8, 16>& nonce) {
    constexpr std::string_view text = "sevsim's MNONCE."; // of 16 bytes
    static_assert(text.size() == 16);
    if (options.repeatable) {
        std::ranges::copy(text, nonce.begin());
        return true;
    }
    return RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) == 1;
}

} // namespace

std::string SevLaunch::measurement() const {
    std::vector<u8> both(measure.begin(), measure.end());
    both.insert(both.end(), nonce.begin(), nonce.end());
    return igvm::to_base64(both);
}

std::expected<SevLaunch, std::string> start_sev_launch(const RunOptions& options,
                                                       const std::vector<OpenedFile>& files) {
    SevLaunch launch{};
    if (const auto checked = check_policy(options); !checked) {
        return std::unexpected(checked.error());
    }
    const auto godh = read_structure<igvm::SevCertificate>(options.session + "_godh.b64",
                                                           "the owner's certificate");
    if (!godh) {
        return std::unexpected(godh.error());
    }
    const auto session =
        read_structure<igvm::SevSession>(options.session + "_session.b64", "the owner's session");
    if (!session) {
        return std::unexpected(session.error());
    }
    const auto keys = start_session(options.root, *godh, *session, options.sev_policy);
    if (!keys) {
        return file_error(options.session, keys.error());
    }
    launch.keys = *keys;
    if (options.takes_secret) {
        if (const auto found = find_secret_area(options, files, launch); !found) {
            return std::unexpected(found.error());
        }
    }
    auto digest = measured_launch(options, files);
    if (!digest) {
        return std::unexpected(digest.error());
    }
    launch.digest = std::move(*digest);
    if (!fill_nonce(options, launch.nonce)) {
        return std::unexpected(std::string{"the host has no random numbers"});
    }
    launch.measure = igvm::launch_measure({.tik       = launch.keys.tik,
                                           .mnonce    = launch.nonce,
                                           .api_major = sev_api_major,
                                           .api_minor = sev_api_minor,
                                           .build     = sev_build,
                                           .policy    = options.sev_policy},
                                          launch.digest);
    return launch;
}

std::expected<std::vector<u8>, std::string>
take_launch_secret(const RunOptions& options, const SevLaunch& launch,
                   const std::function<bool()>& goes_on) {
    constexpr std::chrono::milliseconds look_again{50};
    const std::string header_path  = options.session + "_secret_header.b64";
    const std::string payload_path = options.session + "_secret_payload.b64";
    bool found_other               = false;
    do {
        const std::vector<u8> header  = read_base64(header_path);
        const std::vector<u8> payload = read_base64(payload_path);
        if (header.size() == sizeof(igvm::SecretHeader) && !payload.empty()) {
            const auto secret = open_secret(launch.keys, igvm::load<igvm::SecretHeader>(header),
                                            payload, launch.measure);
            if (secret && secret->size() > launch.secret_room) {
                return file_error(payload_path, fmt::format("LAUNCH_SECRET of {} bytes, and there "
                                                            "is room for {} at {:#x}",
                                                            secret->size(), launch.secret_room,
                                                            launch.secret_gpa));
            }
            if (secret) {
                const LaunchSecret place{.gpa = launch.secret_gpa, .size = secret->size()};
                std::vector<u8> module(sizeof place + secret->size());
                std::memcpy(module.data(), &place, sizeof place);
                std::ranges::copy(*secret, module.begin() + sizeof place);
                return module;
            }
            found_other = true;
        }
        std::this_thread::sleep_for(look_again);
    } while (goes_on());
    return file_error(header_path,
                      found_other ? "the packet there is of another launch, or damaged "
                                    "(LAUNCH_SECRET: BAD_MEASUREMENT)"
                                  : "no secret has come: expected it there, and the rest in the "
                                    "payload's file, as `igvmtool secret` writes them");
}

} // namespace vestibule::sevsim
