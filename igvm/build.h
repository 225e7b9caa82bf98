// From a guest image to an IGVM file: where the pages lie, which platform gets which, in which
// order the headers stand so that every loader does the same with them.
#pragma once

#include "boot/entry_state.h"
#include "igvm/stub_image.h"
#include "igvm/writer.h"

#include <optional>

namespace vestibule::igvm {

struct BuildOptions {
    std::vector<PlatformType> platforms = {PlatformType::native, PlatformType::sev_es};
    unsigned c_bit                      = 51;
    u64 base                            = 0x20'0000;
    boot::Entry entry                   = boot::Entry::long64;
};

/// Pages that one platform loads; where it measures, each costs about a millisecond at launch.
struct PageCount {
    PlatformType platform;
    unsigned page_tables;
    unsigned stub;
    unsigned payload;
    unsigned vmsa;
};

struct BuiltFile {
    std::vector<u8> bytes;
    std::vector<PageCount> pages;
};

/// The platforms that images are built for.
bool is_buildable(PlatformType platform);

/// Why no file can be built with these options, if so.
std::optional<std::string> wrong_option(const BuildOptions& options);

/// The file; options have to be right, and the image to have an entry point for their mode.
std::expected<BuiltFile, Error> build(const StubImage& image, const BuildOptions& options);

} // namespace vestibule::igvm
