// What the program does between its command line and its exit status: one launch, told of in lines
// or as one JSON object.
#pragma once

#include "launcher/forecast.h"
#include "launcher/platform.h"
#include "launcher/run.h"

#include <fstream>
#include <nlohmann/json.hpp>

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
    std::string expected; // the digest, in hexadecimal
    std::string session;  // what its files' names begin with
};

class Program {
  public:
    using Json = nlohmann::ordered_json;

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
    void say(const char* what, std::string_view words);
    void say(const char* what, const std::vector<std::string>& lines);
    void tell(const std::string& call, int answer);
    void tell_exit(u32 vcpu, const kvm_run& run);

    const Arguments& arguments_;
    Plan plan_;
    Forecast forecast_;
    Json report_;
    std::ofstream trace_;
};

} // namespace vestibule::launcher
