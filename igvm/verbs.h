// igvmtool's verbs: each in a file of its own, which adds itself to the command line and does its
// work as that line's callback. A verb that fails throws Failure; exit status 1.
#pragma once

#include <CLI/CLI.hpp>

#include <stdexcept>

namespace vestibule::igvm {

/// The work failed; the message names the file.
class Failure : public std::runtime_error {
  public:
    using runtime_error::runtime_error;
};

struct Verb {
    std::string_view example;
    void (*add)(CLI::App& app);
};

void add_build(CLI::App& app);
void add_explain(CLI::App& app);
void add_measure(CLI::App& app);
void add_show(CLI::App& app);

inline constexpr Verb verbs[] = {
    {.example = "igvmtool build --out guest.igvm --platform native,sev-es", .add = add_build      },
    {.example = "igvmtool show guest.igvm",                                 .add = add_show       },
    {.example = "igvmtool measure guest.igvm --platform sev-es",            .add = add_measure    },
    {.example = "igvmtool explain guest.igvm --expected $(igvmtool measure guest.igvm --vmm "
                "kvm-6.8 | sed -n 's/^digest *//p')",                  .add     = add_explain},
};

} // namespace vestibule::igvm
