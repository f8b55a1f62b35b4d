using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using TpmFs.Benchmarks;

// Prints a table of time and memory for each step of a command's way; with a folder as argument, leaves every figure
// there. The exit code is 1 when a step allocates, or was not measured: none may in a steady state.
ManualConfig config = ManualConfig.CreateEmpty()
    .AddLogger(NullLogger.Instance)
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddColumn(TargetMethodColumn.Method, StatisticColumn.Mean, StatisticColumn.StdDev)
    .AddColumnProvider(DefaultColumnProviders.Metrics)
    .AddExporter(MarkdownExporter.GitHub, JsonExporter.Brief)
    .WithArtifactsPath(args.FirstOrDefault() ?? Path.Combine(Path.GetTempPath(), "tpmfs-benchmarks"));
Summary[] summaries = [.. new[] { typeof(ManagerBenchmarks), typeof(FileBenchmarks) }.Select(
    type => BenchmarkRunner.Run(type, config))];
foreach (Summary summary in summaries)
{
    MarkdownExporter.Console.ExportToLog(summary, ConsoleLogger.Default);
}

BenchmarkReport[] reports = [.. summaries.SelectMany(summary => summary.Reports)];
bool isClean = reports.Length > 0
    && reports.All(report => report.Success && report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) == 0);
return isClean ? 0 : 1;
