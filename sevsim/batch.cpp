// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/batch.h"

#include "sevsim/guest_file.h"
#include "sevsim/igvm_guest.h"
#include "sevsim/opened_guest.h"
#include "sevsim/plan_file.h"
#include "sevsim/process.h"
#include "sevsim/qemu_command.h"
#include "sevsim/qemu_version.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

using Clock = std::chrono::steady_clock;

/// Of one QEMU: its text is copied into the machine's memory.
constexpr std::size_t most_plans_at_once = 1000;

/// Until the first guest runs, however busy the host is.
constexpr std::chrono::seconds patience_at_start{60};

/// One QEMU and the runs in it.
class Machine {
  public:
    Machine(const RunOptions& options, std::span<const Plan> plans, std::size_t first,
            const TakeRun& take)
        : options_{options}, plans_{plans.subspan(first)}, first_{first}, take_{take} {
        plans_ = plans_.first(std::min(plans_.size(), most_plans_at_once));
    }

    std::expected<void, std::string> run(std::span<const unsigned char> monitor);

    /// How many of the plans have been run.
    std::size_t done() const { return done_; }

    bool is_over() const { return over_; }

  private:
    void take_run(RunRecords records);
    void report(RunRecords records, ProcessEnd qemu);

    const RunOptions& options_;
    std::span<const Plan> plans_;
    std::size_t first_;
    const TakeRun& take_;
    std::string launch_digest_;
    std::size_t done_ = 0;
    bool over_        = false; ///< nobody wants more
    bool unusable_    = false; ///< what this QEMU says cannot be told apart any more
    std::string monitors_error_;
    Clock::time_point began_ = Clock::now();
};

void Machine::report(RunRecords records, ProcessEnd qemu) {
    RunResult result{.records       = std::move(records),
                     .qemu          = qemu,
                     .timeout       = options_.timeout,
                     .allowed       = options_.allowed,
                     .launch_digest = launch_digest_};
    result.output    = result.records.serial;
    result.guest     = options_.file;
    result.hostility = hostility(plans_[done_]);
    over_            = !take_(first_ + done_, result) || qemu.how == Ending::interrupted;
    ++done_;
}

void Machine::take_run(RunRecords records) {
    const auto now     = Clock::now();
    const auto elapsed = now - std::exchange(began_, now);
    if (over_ || unusable_) {
        return; // more of them were under way
    }
    if (!records.index || done_ == plans_.size()) {
        monitors_error_ = records.outcome ? records.outcome->detail : "";
        unusable_       = true;
        return;
    }
    const bool by_host = records.outcome && records.outcome->kind == OutcomeKind::host;
    // The order to end came when the run that it was for had just ended, and met the next one.
    if (by_host && elapsed < options_.timeout / 2) {
        unusable_ = true;
        return;
    }
    report(std::move(records),
           by_host ? ProcessEnd{Ending::timed_out, 0} : ProcessEnd{Ending::exited, 0});
}

std::expected<void, std::string> Machine::run(std::span<const unsigned char> monitor) {
    auto guest = open_guest_files(options_);
    if (!guest) {
        return std::unexpected(guest.error());
    }
    launch_digest_ = guest->launch_digest;
    std::string text;
    for (const Plan& plan : plans_) {
        text += plan_text(plan);
    }
    auto plans   = memory_file(std::as_bytes(std::span{text}));
    auto kernel  = memory_file(std::as_bytes(monitor));
    auto records = Pipe::open();
    auto serial  = Pipe::open();
    auto orders  = Pipe::open_both_ways();
    if (!plans || !kernel || !records || !serial || !orders) {
        return std::unexpected("no descriptor for one more file");
    }
    guest->files.push_back(std::move(*plans));
    RecordReader reader{{}, [](std::string_view) {}};
    reader.each_run([this](RunRecords told) { take_run(std::move(told)); });
    std::optional<u64> seen;
    Command command;
    command.timeout       = options_.timeout;
    command.first_timeout = patience_at_start;
    command.arguments     = qemu_command(
        options_,
        {kernel->descriptor.get(), guest->descriptors(), records->write.get(), orders->read.get()},
        {guest->size(), guest->ap_start});
    command.standard_output = std::move(serial->write);
    command.inherited.push_back(std::move(kernel->descriptor));
    for (OpenedFile& file : guest->files) {
        command.inherited.push_back(std::move(file.descriptor));
    }
    command.inherited.push_back(std::move(records->write));
    command.inherited.push_back(std::move(orders->read));
    command.orders    = std::move(orders->write);
    command.end_order = "nmi\n";
    // What the guest prints comes among the records too (sevsim/monitor/recording/serial_copy.h).
    command.streams.push_back(
        {.from = std::move(serial->read), .take = [](std::string_view) { return true; }});
    command.streams.push_back(
        {.from = std::move(records->read), .take = [&](std::string_view bytes) {
             reader.take(bytes);
             return !over_ && !unusable_;
         }});
    command.begins_anew = [&] {
        if (reader.records().index == seen) {
            return false;
        }
        seen   = reader.records().index;
        began_ = Clock::now();
        return true;
    };
    const auto end = run_process(std::move(command));
    if (!end) {
        return std::unexpected(end.error());
    }
    if (!monitors_error_.empty()) {
        return std::unexpected(monitors_error_);
    }
    if (over_ || unusable_ || done_ == plans_.size()) {
        return {};
    }
    RunRecords rest = reader.records(); // of the run in which QEMU ended
    if (end->how != Ending::interrupted && done_ == 0 && !rest.index) {
        return std::unexpected(outcome_line(
            RunResult{.records = rest, .qemu = *end, .timeout = patience_at_start, .allowed = {}}));
    }
    report(std::move(rest), *end);
    return {};
}

} // namespace

std::string batch_contradiction(const RunOptions& options) {
    if (options.platform != "sev-es" && !options.is_snp()) {
        return fmt::format("--plans is for sev-es and sev-snp: a guest on {} sees devices that the "
                           "monitor does not",
                           options.platform);
    }
    if (options.vcpus != 1) {
        return "--plans starts a guest anew on one vCPU (--vcpus)";
    }
    if (!options.qemu_arguments.empty()) {
        return "--plans cannot reset what QEMU is given behind --";
    }
    if (options.takes_secret) {
        return "--plans: a secret is sent once, and not for each run";
    }
    return {};
}

std::expected<void, std::string> run_plans(const RunOptions& asked, std::span<const Plan> plans,
                                           std::span<const unsigned char> monitor,
                                           const TakeRun& take) {
    const bool judged = asked.kind == GuestKind::igvm && !asked.unjudged;
    auto adapted = judged ? options_for_igvm(asked) : std::expected<RunOptions, std::string>(asked);
    if (!adapted) {
        return std::unexpected(adapted.error());
    }
    RunOptions& options = *adapted;
    options.hostile     = Plan{};
    options.batch       = true;
    if (std::string wrong = batch_contradiction(options); !wrong.empty()) {
        return std::unexpected(std::move(wrong));
    }
    if (const auto version = check_qemu(options.qemu); !version) {
        return std::unexpected(version.error());
    }
    for (std::size_t done = 0; done < plans.size();) {
        Machine machine{options, plans, done, take};
        if (auto ran = machine.run(monitor); !ran) {
            return std::unexpected(ran.error());
        }
        done += machine.done();
        if (machine.is_over()) {
            break;
        }
    }
    return {};
}

} // namespace vestibule::sevsim
