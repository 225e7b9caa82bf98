// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool's verbs: each in a file of its own, which adds itself to the command line and does its
// work as that line's callback. A verb that fails throws Failure; exit status 1.
#pragma once

#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/words.h"
#include "igvm/format/reader.h"
#include "igvm/tool/file_io.h"

#include <CLI/CLI.hpp>

#include <stdexcept>

namespace vestibule::igvm {

/// The work failed; the message names the file.
class Failure : public std::runtime_error {
  public:
    using runtime_error::runtime_error;
};

/// The work is done and said; the exit status says how it turned out.
struct Finished : std::exception {
    explicit Finished(int exit_status) : status(exit_status) {}

    int status;
};

/// An IGVM file that a verb works on, optional headers included; Failure where it is none.
class OpenFile {
  public:
    explicit OpenFile(const std::string& path);

    [[nodiscard]] const File& file() const { return file_; }

  private:
    MappedFile bytes_;
    File file_;
};

/// Onto standard output.
void print_out(std::string_view text);

struct Verb {
    std::string_view example;
    void (*add)(CLI::App& app);
};

void add_build(CLI::App& app);
void add_check(CLI::App& app);
void add_convert(CLI::App& app);
void add_diff(CLI::App& app);
void add_explain(CLI::App& app);
void add_measure(CLI::App& app);
void add_secret(CLI::App& app);
void add_session(CLI::App& app);
void add_report(CLI::App& app);
void add_show(CLI::App& app);
void add_sign(CLI::App& app);
void add_verify(CLI::App& app);

inline constexpr Verb verbs[] = {
    {.example = "igvmtool build --out guest.igvm --platform native,sev-es",                   .add = add_build      },
    {.example = "igvmtool show guest.igvm",                                                   .add = add_show       },
    {.example = "igvmtool diff guest.igvm guest.igvm",                                        .add = add_diff       },
    {.example = "igvmtool check guest.igvm --vmm qemu",                                       .add = add_check      },
    {.example = "igvmtool convert guest.igvm --out guest.fd",                                 .add = add_convert    },
    {.example = "igvmtool measure guest.igvm --platform sev-es",                              .add = add_measure    },
    {.example = "igvmtool explain guest.igvm --platform sev-es --expected $(igvmtool measure "
                "guest.igvm --platform sev-es --vmm kvm-6.8 | sed -n 's/^digest *//p')", .add     = add_explain},
    {.example = "igvmtool sign snp.igvm --id-key id.pem --out signed.igvm",                   .add = add_sign       },
    {.example = "igvmtool session --pdh pdh.cert --name vm",                                  .add = add_session    },
    {.example = "igvmtool secret guest.igvm --name vm --api 1.55.16 --secret "
                "736869e5-84f0-4973-92ec-06879ce3da0b:disk.key --measurement $(igvmtool measure "
                "guest.igvm --platform sev-es --tik vm_tik.bin --policy 5 --api 1.55.16 --nonce "
                "00112233445566778899aabbccddeeff | sed -n 's/^measure *//p')"
                "00112233445566778899aabbccddeeff",                                      .add     = add_secret },
    {.example = "igvmtool report report.bin",                                                 .add = add_report     },
    {.example = "igvmtool verify signed.igvm",                                                .add = add_verify     },
};

} // namespace vestibule::igvm
