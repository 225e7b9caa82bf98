// SPDX-License-Identifier: BSD-2-Clause-Patent
// See rebuilt.h. Nothing here has to be right about the file: what comes of it counts only where it
// gives the very digest that was expected.
#include "igvm/tool/rebuilt.h"

#include "igvm/image/build.h"
#include "igvm/measure/digest.h"
#include "igvm/tool/own_inputs.h"

#include <fmt/format.h>

#include <array>
#include <set>

namespace vestibule::igvm {

namespace {

constexpr u64 most_bytes = u64{96}
                           << 20; // of all that is built: a large payload is not built often

constexpr std::array<boot::Entry, 3> entries = {boot::Entry::long64, boot::Entry::compat,
                                                boot::Entry::legacy32};
constexpr std::array<unsigned, 2> c_bits     = {51, 47};
constexpr std::array<u32, 14> counts         = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64};

/// What is built again, and again.
class Rebuilder {
  public:
    Rebuilder(const File& file, const OwnInputs& own)
        : own_(own), given_(own.options), contents_(own.contents()) {
        seen_.insert(sha256(file.bytes()));
    }

    std::vector<Rebuilt> run(const OtherInputs& others) {
        add(given_);
        if (own_.payload) {
            add_inputs(others);
        }
        for (const bool together : {false, true}) {
            for (const u32 count : counts) {
                for (const boot::Entry entry : entries) {
                    for (const unsigned c_bit : c_bits) {
                        BuildOptions options   = given_;
                        options.vcpus          = count;
                        options.entry          = entry;
                        options.c_bit          = c_bit;
                        const unsigned changes = (count != given_.vcpus ? 1u : 0u)
                                                 + (entry != given_.entry ? 1u : 0u)
                                                 + (c_bit != given_.c_bit ? 1u : 0u);
                        if (together ? changes > 1 : changes == 1) {
                            add(options);
                        }
                    }
                }
            }
        }
        return std::move(made_);
    }

  private:
    void add_inputs(const OtherInputs& others) {
        for (u64 i = 0; i <= others.initrds.size(); ++i) {
            const bool another = i != 0; // the first is the file's own
            if (another) {
                contents_.initrd = others.initrds[i - 1].bytes;
            }
            const auto words = another ? " --initrd " + others.initrds[i - 1].name : "";
            for (u64 l = another ? 0 : 1; l <= others.command_lines.size(); ++l) {
                contents_.command_line = l != 0 ? others.command_lines[l - 1] : own_.command_line;
                add(given_,
                    words
                        + (l != 0 ? fmt::format(" --cmdline \"{}\"", contents_.command_line) : ""));
            }
        }
        contents_ = own_.contents();
    }

    void add(const BuildOptions& options, std::string words = {}) {
        if (bytes_ > most_bytes || wrong_option(options)) {
            return;
        }
        words += options.entry != given_.entry
                     ? fmt::format(" --entry {}", entry_name(options.entry))
                     : "";
        words += options.vcpus != given_.vcpus ? fmt::format(" --vcpus {}", options.vcpus) : "";
        words += options.c_bit != given_.c_bit ? fmt::format(" --cbit {}", options.c_bit) : "";
        const auto image = own_stub(options.entry, own_.payload.has_value());
        if (!image) {
            return;
        }
        const auto file = build(*image, options, contents_);
        if (file && seen_.insert(sha256(file->bytes)).second) {
            bytes_ += file->bytes.size();
            made_.push_back({.options = words.empty() ? "the same options" : words.substr(1),
                             .bytes   = file->bytes});
        }
    }

    const OwnInputs& own_;
    BuildOptions given_;
    GuestContents contents_;
    u64 bytes_ = 0;
    std::set<Digest256> seen_;
    std::vector<Rebuilt> made_;
};
} // namespace

std::vector<Rebuilt> rebuilt(const File& file, PlatformType platform, const OtherInputs& others) {
    const auto own = own_inputs(file, platform);
    return own && own->missing.empty() ? Rebuilder(file, *own).run(others) : std::vector<Rebuilt>();
}

} // namespace vestibule::igvm
