// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/command.h"

#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/words.h"
#include "cli/wrong_use.h"
#include "sevsim/attack/draws.h"
#include "sevsim/attack/numbers.h"
#include "sevsim/attack/summary.h"
#include "sevsim/from_text.h"
#include "sevsim/plan_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace vestibule::sevsim::attack {

namespace {

constexpr const char* examples = R"(Examples:
  sevsim attack guest.igvm --seed 1 --budget 2m
  sevsim attack guest.igvm --seed 1 --runs 1000 --jobs 2 --out campaign
  sevsim attack guest.igvm --kind vc,vc-within --runs 200
  sevsim attack --kernel vmlinuz --initrd initrd.img --append console=ttyS0 --compare '^init: ' --budget 10m
  sevsim attack guest.igvm --seed 1 --runs 100000 --shard 3/8 --out campaign
  sevsim attack merge campaign/attack-*.jsonl

Exit status: 0 nothing was found, 1 something was, 2 wrong use, 130 interrupted by Ctrl-C (128 and
the signal); what was done until then is in DIR, and the same command goes on behind it.)";

std::string footer() {
    std::string text =
        "A run ends in one of these; from \"uncoded end\" on it is a finding:\n"
        "  right result       as the honest run\n"
        "  right exception    the guest's own handlers of exceptions have ended it\n"
        "  coded end          a termination with a code that the guest's table has\n"
        "  own data           other output, where the data are the hypervisor's to say\n"
        "  other end          a foreign guest panics, halts or hangs: denial of service\n"
        "  uncoded end        triple fault, hang, or a state that VMRUN refuses\n"
        "  broken rule        of the GHCB protocol, which the guest keeps otherwise\n"
        "  wrong result       it ends as if all were well, and has said something else\n"
        "  leak               it shows the hypervisor what no event needs\n"
        "  control flow lost  it ran where none of its code is\n"
        "  sevsim failed      which is no guest's fault\n\n"
        "Lies with a published attack that they are, or are like (all: sevsim run --help):\n";
    for (const Draw& draw : draws) {
        if (*draw.published != '\0') {
            text += fmt::format("  {:<20}{}\n", lies[static_cast<std::size_t>(draw.lie) - 1].name,
                                draw.published);
        }
    }
    return text + "\n" + examples;
}

/// An option that goes to `sevsim run` as it is: of the machine, the same for each guest.
struct PassedOn {
    const char* name;
    const char* type; ///< empty: a flag
    const char* text;
};

constexpr PassedOn passed_on[] = {
    {"--memory",     "SIZE",  "Guest memory"                                             },
    {"--cbit",       "N",     "The C-bit's position"                                     },
    {"--smp",        "N",     "How many vCPUs"                                           },
    {"--canary",     "N",     "Plant this secret in the guest, and look for it"          },
    {"--code",       "RANGE", "The guest's code, as sevsim run takes it; may be repeated"},
    {"--limit",      "N",     "End a run after so many entries"                          },
    {"--allow",      "RULE",  "A rule that the guest breaks honestly; may be repeated"   },
    {"--qemu",       "PATH",  "The QEMU to use"                                          },
    {"--root",       "DIR",   "The keys of the platform"                                 },
    {"--la57",       "",      "Let CPUID offer 5-level paging"                           },
    {"--x2apic",     "",      "Let CPUID offer x2APIC"                                   },
    {"--no-flash",   "",      "Launch all of the firmware's file"                        },
    {"--secure-tsc", "",      "A kernel's SEV_FEATURES ask for a secure TSC"             },
};

void describe_passed_on(CLI::App& verb, AttackOptions& options) {
    for (const PassedOn& row : passed_on) {
        const auto add = [&options, name = row.name](const std::vector<std::string>& values) {
            for (const std::string& value : values) {
                options.options.insert(options.options.end(), {name, value});
            }
        };
        if (*row.type != '\0') {
            verb.add_option_function<std::vector<std::string>>(row.name, add, row.text)
                ->allow_extra_args(false)
                ->type_name(row.type);
        } else {
            verb.add_flag_callback(
                row.name, [&options, name = row.name] { options.options.emplace_back(name); },
                row.text);
        }
    }
}

void describe_guest(CLI::App& verb, AttackCommand& command) {
    verb.add_option("GUEST", command.images, "The guests: IGVM files, attacked in turn")
        ->type_name(cli::input_file);
    CLI::Option* const kernel =
        verb.add_option("--kernel", command.kernel, "The guest: a Linux kernel (bzImage)")
            ->type_name(cli::input_file);
    verb.add_option("--firmware", command.firmware, "The guest: firmware, such as OVMF.fd")
        ->type_name(cli::input_file);
    verb.add_option("--initrd", command.initrd, "The kernel's initrd")
        ->needs(kernel)
        ->type_name(cli::input_file);
    verb.add_option(cli::words::append, command.append, "The kernel's command line")
        ->needs(kernel)
        ->type_name("TEXT");
    verb.add_option("--platform", command.platform, "sev-es or sev-snp (or snp)")
        ->transform([](const std::string& name) { return name == "snp" ? "sev-snp" : name; })
        ->check(CLI::IsMember({"sev-es", "sev-snp"}))
        ->type_name("NAME")
        ->capture_default_str();
    verb.add_option("--from", command.options.from,
                    "Attack the guest from its N-th VMGEXIT on, or its first one of code at "
                    "BEGIN-END: it runs until there once")
        ->check([](const std::string& text) {
            const auto from = from_of(text);
            return from ? std::string{} : from.error();
        })
        ->type_name(from_forms);
    describe_passed_on(verb, command.options);
}

void describe_campaign(CLI::App& verb, AttackCommand& command) {
    AttackOptions& options = command.options;
    cli::add_number(verb, "--seed", options.seed,
                    "What plans are drawn from: plan N of a seed is always the same");
    cli::add_number(verb, "--runs", options.runs,
                    "So many plans, of all shards together; 200 where no --budget is given",
                    {.least = 1});
    verb.add_option("--budget", command.budget, "End after so long: 120s, 2m, 1h")
        ->type_name("TIME");
    cli::add_number(verb, "--enough", options.enough, "End when there are so many findings",
                    {.least = 1});
    verb.add_option("--kind", command.kinds,
                    "Draw this lie, and others that are given so; may be repeated, or with commas. "
                    "NAME:NUMBER has its number given: event:0x80000080")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("LIE");
    cli::add_number(verb, "--lies", options.most, "The most lies in a plan",
                    {.least = 1, .most = 16});
    cli::add_number(verb, "--jobs", options.jobs, "How many runs at once",
                    {.least = 1, .most = 1024});
    cli::add_number(verb, "--batch", options.batch,
                    "So many plans in one QEMU, which is quicker; 0: each has its own",
                    {.most = 100'000})
        ->excludes("--from");
    verb.add_option("--out", options.out,
                    "Where results, findings and plans that reached new code go")
        ->type_name(cli::input_directory)
        ->default_str("sevsim-attack");
    verb.add_option("--shard", command.shard, "Do the I-th of N parts; merge joins what comes out")
        ->type_name("I/N");
    verb.add_option("--plans", command.plans,
                    "Run the plans in FILE, as sevsim run --plans takes them, and draw none")
        ->excludes("--kind")
        ->excludes("--runs")
        ->type_name(cli::input_file);
    cli::add_number(verb, "--minimise", options.minimising,
                    "Runs that making a finding small may cost", {.most = 10'000});
    verb.add_option("--corpus", options.corpus,
                    "Plans (*.plan) of earlier campaigns: half of the new ones are made of them")
        ->excludes("--plans")
        ->type_name(cli::input_directory);
    verb.add_flag("--uniform", options.uniform,
                  "Draw moments by their number alone, not by what happens there: to see what "
                  "that is worth");
    cli::add_number(verb, "--timeout", options.timeout,
                    "Seconds for a run; without it by how long an honest one takes",
                    {.most = 86'400})
        ->type_name("S");
    verb.add_option("--oracle", command.oracle,
                    "ours: a guest that promises a right result, a right exception or a coded "
                    "end. foreign: any end is its own, a wrong result is not. Without it IGVM "
                    "files are ours")
        ->check(CLI::IsMember({"ours", "foreign"}))
        ->type_name("NAME");
    verb.add_option("--compare", command.compared,
                    "Hold only lines of output in which this is found against the honest run's")
        ->type_name("REGEX");
    verb.add_option("--ignore", command.ignored, "And none in which this is found")
        ->type_name("REGEX");
    verb.add_flag(cli::words::quiet, options.quiet, "No progress, no report: the exit status");
}

void describe_merge(CLI::App& verb, AttackCommand& command) {
    command.merge = verb.add_subcommand(
        "merge", "Put results of shards and campaigns together. A report of all of them.");
    command.merge
        ->add_option("FILE", command.merged, "Results: the attack*.jsonl files of campaigns")
        ->required()
        ->type_name(cli::input_file);
    command.merge
        ->add_option("--json", command.merged_into,
                     "Write each finding once to OUT, a JSON object a line")
        ->type_name(cli::output_file);
}

std::string regex_of(const std::string& text, const char* option, std::optional<std::regex>& into) {
    if (text.empty()) {
        return {};
    }
    try {
        into.emplace(text, std::regex::extended);
        return {};
    } catch (const std::regex_error&) {
        return fmt::format("{}: '{}': expected an extended regular expression", option, text);
    }
}

/// What the command line's words mean; in words what is wrong with them.
std::string understand(AttackCommand& command) {
    AttackOptions& options   = command.options;
    const bool starts_kernel = !command.images.empty() || !command.firmware.empty();
    if ((!command.images.empty() && !command.firmware.empty())
        || (!starts_kernel && command.kernel.empty())) {
        return "expected guests of one kind: GUEST, --kernel FILE or --firmware FILE";
    }
    if (!command.budget.empty()) {
        const auto time = time_of(command.budget);
        if (!time) {
            return fmt::format("--budget: '{}': expected a time: 120s, 2m, 1h", command.budget);
        }
        options.budget = *time;
    } else if (!options.runs) {
        constexpr u64 usual = 200;
        options.runs        = usual;
    }
    if (!command.shard.empty()) {
        const auto shard = shard_of(command.shard);
        if (!shard) {
            return fmt::format("--shard: '{}': expected I/N, I from 1 to N", command.shard);
        }
        std::tie(options.shard, options.shards) = *shard;
    }
    for (const std::string& name : command.kinds) {
        const auto kind = kind_of(name);
        if (!kind) {
            return "--kind: " + kind.error();
        }
        if (std::ranges::find(options.kinds, *kind) == options.kinds.end()) {
            options.kinds.push_back(*kind);
        }
    }
    if (!command.plans.empty()) {
        const auto plans = read_plans(command.plans);
        if (!plans) {
            return "--plans: " + plans.error();
        }
        for (const Plan& plan : *plans) {
            options.plans.emplace_back(plan.begin(), plan.end());
        }
        options.runs = options.plans.size();
    }
    std::string wrong = regex_of(command.compared, "--compare", options.oracle.compared);
    if (wrong.empty()) {
        wrong = regex_of(command.ignored, "--ignore", options.oracle.ignored);
    }
    options.oracle.ours =
        command.oracle.empty() ? !command.images.empty() : command.oracle == "ours";
    options.snp = command.platform == "sev-snp";
    options.options.insert(options.options.end(), {"--platform", command.platform});
    if (!options.from.empty()) {
        options.options.insert(options.options.end(), {"--from", options.from});
    }
    return wrong;
}

void name_guests(AttackCommand& command) {
    AttackOptions& options = command.options;
    // Of a guest that is a kernel, or of the one that firmware or an IGVM file boots directly.
    std::vector<std::string> of_kernel;
    std::vector<std::string> more_files;

    struct Row {
        const char* option;
        const std::string& value;
        bool is_file;
    };

    for (const Row& row : {
             Row{"--kernel", command.kernel, true },
             Row{"--initrd", command.initrd, true },
             Row{"--append", command.append, false}
    }) {
        if (!row.value.empty()) {
            of_kernel.insert(of_kernel.end(), {row.option, row.value});
        }
        if (!row.value.empty() && row.is_file) {
            more_files.push_back(row.value);
        }
    }
    const auto add = [&](std::vector<std::string> words, const std::string& name) {
        words.insert(words.end(), of_kernel.begin(), of_kernel.end());
        options.guests.push_back(std::move(words));
        options.guest_names.push_back(name);
    };
    for (const std::string& image : command.images) {
        add({image}, image);
        options.files.push_back(image);
    }
    if (!command.firmware.empty()) {
        add({"--firmware", command.firmware}, command.firmware);
        options.files.push_back(command.firmware);
    } else if (command.images.empty()) {
        add({}, command.kernel);
    }
    options.files.insert(options.files.end(), more_files.begin(), more_files.end());
}

std::string content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

int merge_files(const AttackCommand& command) {
    std::vector<Results> all;
    for (const std::string& file : command.merged) {
        auto results = results_of(content_of(file));
        if (!results) {
            fmt::print(stderr, "sevsim: {}: {}\n", file, results.error());
            return 1;
        }
        all.push_back(std::move(*results));
    }
    const Summary summary = summary_of(all);
    if (!command.merged_into.empty()) {
        std::ofstream out{command.merged_into, std::ios::binary};
        out << line_of(summary.campaigns.front());
        for (const Finding& finding : summary.findings) {
            out << line_of(finding);
        }
        if (!out.flush()) {
            fmt::print(stderr, "sevsim: {}: could not be written\n", command.merged_into);
            return 1;
        }
    }
    fmt::print("{}", report_of(summary));
    return summary.findings.empty() ? 0 : 1;
}

} // namespace

void describe_attack(CLI::App& app, AttackCommand& command) {
    command.options.out = "sevsim-attack";
    command.verb        = app.add_subcommand(
        "attack", "Attack a guest by many runs, each with lies of the hypervisor's that are drawn "
                         "from a seed, and say what each came to. Findings are made small and come "
                         "with a line that replays them.");
    command.verb->footer(footer());
    describe_guest(*command.verb, command);
    describe_campaign(*command.verb, command);
    describe_merge(*command.verb, command);
}

int run_attack(AttackCommand& command, std::vector<std::string> behind) {
    if (command.merge->parsed()) {
        return merge_files(command);
    }
    if (const std::string wrong = understand(command); !wrong.empty()) {
        return cli::wrong_use(*command.verb, wrong);
    }
    name_guests(command);
    command.options.behind = std::move(behind);
    // The program that runs: another one of that name may be on PATH.
    command.options.program = std::filesystem::read_symlink("/proc/self/exe").string();
    const auto end          = run_campaign(command.options);
    if (!end) {
        fmt::print(stderr, "sevsim: {}\n", end.error());
        return 1;
    }
    const Summary summary = summary_of({end->results});
    if (!command.options.quiet) {
        fmt::print("{}\nEnded by {}; the results are in {}\n", report_of(summary), end->why,
                   end->file);
    }
    constexpr int by_signal = 128;
    return end->signal != 0 ? by_signal + end->signal : summary.findings.empty() ? 0 : 1;
}

} // namespace vestibule::sevsim::attack
