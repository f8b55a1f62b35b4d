return TpmFs.CommandLine.Commands.Run(args);
