#include "sevsim/snp_launch.h"

#include "igvm/measure/digest.h"
#include "igvm/measure/firmware.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <span>
#include <string_view>

namespace vestibule::sevsim {

namespace {

/// Secrets of one run. A run that is to be the same every time has the same ones every time.
class Secrets {
  public:
    explicit Secrets(bool repeatable) : repeatable_{repeatable} {}

    /// False where the host has no random numbers.
    bool fill(std::span<u8> bytes, std::string_view purpose) const {
        if (!repeatable_) {
            return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1;
        }
        const std::string text    = fmt::format("sevsim --repeatable: {}", purpose);
        const igvm::Digest384 all = igvm::sha384(
            {reinterpret_cast<const u8*>(text.data()), text.size()});
        std::ranges::copy(std::span{all}.first(std::min(bytes.size(), all.size())), bytes.begin());
        return true;
    }

  private:
    bool repeatable_;
};

std::expected<void, std::string> take_sections(const OpenedFile& guest, const std::string& path,
                                               LaunchModule& module) {
    const std::string content = read_file(guest);
    const auto firmware       = parse_guest_firmware(content, path);
    if (!firmware) {
        return std::unexpected(firmware.error());
    }
    if (!firmware->sections) {
        return std::unexpected(
            fmt::format("{}: no SEV metadata (GUID dc886566-984a-4798-a75e-5585a7bf67cc): this "
                        "firmware is not made for SEV-SNP",
                        path));
    }
    constexpr std::size_t most = std::size(LaunchModule{}.sections);
    if (firmware->sections->size() > most) {
        return std::unexpected(fmt::format("{}: {} sections in its SEV metadata; expected {} at "
                                           "most",
                                           path, firmware->sections->size(), most));
    }
    for (const igvm::FirmwareSection& section : *firmware->sections) {
        if (section.gpa % page_size != 0 || section.size % page_size != 0) {
            return std::unexpected(fmt::format("{}: its SEV metadata have a section of {:#x} bytes "
                                               "at {:#x}; expected whole pages",
                                               path, section.size, section.gpa));
        }
        module.sections[module.section_count++] = {
            .gpa = section.gpa, .size = section.size, .type = static_cast<u32>(section.type)};
    }
    return {};
}

} // namespace

std::expected<LaunchModule, std::string> launch_module(const RunOptions& options,
                                                       const OpenedFile& guest) {
    LaunchModule module{};
    const Secrets secrets{options.repeatable};
    for (unsigned n = 0; n < std::size(module.vmpck); ++n) {
        if (!secrets.fill(module.vmpck[n], fmt::format("VMPCK{}", n))) {
            return std::unexpected(std::string{"the host has no random numbers"});
        }
    }
    if (options.kind == GuestKind::firmware) {
        if (auto taken = take_sections(guest, options.file, module); !taken) {
            return std::unexpected(taken.error());
        }
    }
    return module;
}

} // namespace vestibule::sevsim
