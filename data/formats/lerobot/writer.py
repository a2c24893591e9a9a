class LeRobotWriter: pass
class FileSizes: pass
