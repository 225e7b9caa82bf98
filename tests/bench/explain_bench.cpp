// SPDX-License-Identifier: BSD-2-Clause-Patent
// How long explain takes where nothing fits, so that every hypothesis is tried: 100,000 of them on
// a 4 MiB SNP file. Prints one line; exit status 1 beyond the budget.
#include "igvm/explain/explain.h"
#include "igvm/format/writer.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/vcpu_state.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <ctime>

namespace vestibule::igvm {

namespace {
constexpr double budget = 0.7; // seconds

std::vector<u8> image() {
    constexpr u64 size = u64{4} << 20;
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    std::vector<u8> page(page_size);
    for (u64 at = 0; at < size; at += page_size) {
        std::memcpy(page.data(), &at, sizeof(at));
        writer.add_page({.gpa                = u64{1} << 20 | at,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .flags              = 0,
                         .data_type          = PageDataType::normal,
                         .reserved           = 0},
                        at % (page_size * 8) == page_size ? std::span<const u8>() : page);
    }
    const x86::Vmsa vmsa = reset_vmsa(
        qemu_reset, {.start_address = reset_vector, .cpu_signature = 0x80'0F12, .sev_features = 1});
    std::vector<u8> bytes(sizeof(vmsa));
    std::memcpy(bytes.data(), &vmsa, sizeof(vmsa));
    writer.add(VpContext{.gpa                = x86::vmsa_gpa,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .vp_index           = 0,
                         .reserved           = 0},
               bytes);
    return *writer.finish();
}

int run() {
    const std::vector<u8> bytes = image();
    const auto file             = parse(bytes);
    const auto start            = std::chrono::steady_clock::now();
    const auto answer           = explain({
                  .plan         = {.options = {.vmm = profile_of(Vmm::qemu), .vcpus = {}, .sev_features = {}},
                                   .boot    = {}},
                  .alternatives = {},
                  .launch       = [&](const Plan& plan) { return launch_of(*file, plan.options); },
                  .file         = bytes,
                  .matches      = [](const Chain&) { return false; },
                  .most_causes  = 3,
                  .threads      = 2,
                  .progress     = {}
    });
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    // Processor time too: it says the same on a machine that has other things to do.
    const double processor = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    const double scale     = 1e5 / static_cast<double>(answer->tried);
    fmt::print("explain of a 4 MiB SNP file, nothing fits: {} hypotheses in {:.1f} s; a 100,000 "
               "take {:.2f} s, budget {:.1f} s; {:.2f} s of processor time\n",
               answer->tried, seconds, seconds * scale, budget, processor * scale);
    return seconds * scale <= budget ? 0 : 1;
}
} // namespace

} // namespace vestibule::igvm

int main() {
    try {
        return vestibule::igvm::run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "explain_bench: {}\n", error.what());
        return 1;
    }
}
