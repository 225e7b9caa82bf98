// SPDX-License-Identifier: BSD-2-Clause-Patent
// See probed_guest.h.
#include "launcher/probed_guest.h"

#include "igvm/format/writer.h"
#include "igvm/measure/id_block.h"
#include "launcher/forecast.h"

#include <algorithm>
#include <cstring>

namespace vestibule::launcher {

namespace {
using igvm::PlatformType;

constexpr u64 page_gpa = page_size;

const std::vector<u8>& page() {
    static const std::vector<u8> hlt(page_size, 0xF4);
    return hlt;
}

std::array<u8, sizeof(x86::Vmsa)> bytes_of(const x86::Vmsa& vmsa) {
    std::array<u8, sizeof(x86::Vmsa)> bytes;
    std::memcpy(bytes.data(), &vmsa, sizeof(vmsa));
    return bytes;
}

/// A page of HLT, and one VMSA.
std::vector<u8> file_of(PlatformType platform, const x86::Vmsa& vmsa) {
    igvm::Writer writer;
    const u32 mask = writer.add_platform(platform);
    writer.add_page({.gpa                = page_gpa,
                     .compatibility_mask = mask,
                     .file_offset        = 0,
                     .flags              = 0,
                     .data_type          = igvm::PageDataType::normal,
                     .reserved           = 0},
                    page());
    writer.add(igvm::VpContext{.gpa                = x86::vmsa_gpa,
                               .compatibility_mask = mask,
                               .file_offset        = 0,
                               .vp_index           = 0,
                               .reserved           = 0},
               bytes_of(vmsa));
    return writer.finish().value();
}
} // namespace

ProbedGuests::ProbedGuests(Calls& calls, const kvm::Host& host, PlatformType platform,
                           const std::optional<Session>& session)
    : calls_(calls), host_(host), platform_(platform), session_(session),
      id_key_(igvm::PrivateKey::make()), before_(platform) {
    before_.add({.type = igvm::PageType::normal, .gpa = page_gpa, .data = page(), .what = {}});
}

std::vector<u8> ProbedGuests::digest_with(const x86::Vmsa& vmsa) const {
    const auto bytes  = bytes_of(vmsa);
    igvm::Chain chain = before_;
    chain.add({.type = igvm::PageType::vmsa, .gpa = x86::vmsa_gpa, .data = bytes, .what = {}});
    return chain.digest();
}

std::optional<Measured> ProbedGuests::launch_file(const std::vector<u8>& file,
                                                  const std::optional<igvm::SnpIdBlock>& block) {
    const auto parsed = igvm::parse(file);
    Plan plan;
    plan.platform       = platform_;
    plan.machine.memory = u64{1} << 20;
    plan.session        = session_;
    plan.content        = value_of(igvm::file_content(parsed.value(), platform_, plan.machine));
    if (block) {
        igvm::SnpIdBlock own = *block;
        igvm::sign(own, policy_of(plan), id_key_, nullptr);
        plan.content.id_block = own;
    }
    ++launches_;
    return Guest(calls_, host_, plan).measured();
}

bool ProbedGuests::is_measured(const std::vector<u8>& file, std::span<const u8> digest) {
    igvm::SnpIdBlock block{};
    block.version = 1;
    std::ranges::copy(digest, block.ld);
    try {
        launch_file(file, block);
        return true;
    } catch (const FirmwareError& error) {
        if (error.code != kvm::sev_ret::bad_measurement) {
            throw;
        }
        return false;
    }
}

igvm::VmsaMatch ProbedGuests::launch(const x86::Vmsa& given) {
    auto file           = file_of(platform_, given);
    const auto measured = launch_file(file, std::nullopt);
    if (platform_ == PlatformType::sev_snp) {
        return [this, file = std::move(file)](const x86::Vmsa& guess) {
            return is_measured(file, digest_with(guess));
        };
    }
    if (!measured || !session_) {
        throw LaunchError("an SEV-ES launch without a measurement");
    }
    return [this, own = *measured](const x86::Vmsa& guess) {
        return confirms(*session_, own, digest_with(guess));
    };
}

} // namespace vestibule::launcher
