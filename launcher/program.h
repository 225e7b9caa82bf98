// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the program does between its command line and its exit status: one launch, told of in lines
// or as one JSON object.
#pragma once

#include "cli/json.h"
#include "igvm/vmm/kernel_profile.h"
#include "launcher/forecast.h"
#include "launcher/platform.h"
#include "launcher/run.h"

#include <fstream>

namespace vestibule::launcher {

struct Arguments {
    std::string file;
    std::string platform = "auto"; // or native, sev-es, snp
    igvm::GuestMachine machine;
    std::string serial = "stdio"; // or a file
    unsigned timeout   = 0;       // in seconds; 0: none
    std::string trace;            // a file, or none
    bool dry_run = false;
    bool json    = false;
    bool quiet   = false;
    std::string expected; // the digest, in hexadecimal
    std::string session;  // what its files' names begin with
};

class Program {
  public:
    using Json = cli::Json;

    explicit Program(const Arguments& arguments) : arguments_(arguments) {}

    /// By this kernel. The exit status: 0 the guest exited with code 0 or powered off, 1 it did
    /// not. LaunchError where the launch fails; with `json` that is part of the report, and the
    /// status 1.
    int run(Kernel& kernel);

    [[nodiscard]] const Json& report() const { return report_; }

  private:
    void open_trace();
    int launch(Calls& calls, const igvm::File& file);
    bool is_expected(const igvm::File& file);
    std::unique_ptr<Guest> make_guest(Calls& calls, const kvm::Host& host, const igvm::File& file);
    bool is_measured_so(const Measured& measured, const igvm::File& file);
    int run_guest(Calls& calls, Guest& guest);
    /// A line of the report on standard error; with `json` the member that is named alike, but
    /// where `member` says how.
    void say(const char* what, std::string_view words, const char* member = nullptr);
    void say(const char* what, const std::vector<std::string>& lines, const char* member = nullptr);
    void say_kernel(const std::string& release, const igvm::KernelProfile& kernel);
    void say_counts(const RunResult& result);
    void tell(const std::string& call, int answer);
    void tell_exit(u32 vcpu, const kvm_run& run);

    const Arguments& arguments_;
    Plan plan_;
    Forecast forecast_;
    Json report_ = cli::json_output("launch");
    std::ofstream trace_;
};

} // namespace vestibule::launcher
